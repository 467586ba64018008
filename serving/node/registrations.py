"""Names that SageMaker's clients gave to versions on this node."""

import asyncio
from contextlib import suppress
from pathlib import Path
from urllib.parse import unquote, urlsplit

from serving.engines.errors import AdapterUnknown, NameTaken, RequestInvalid
from serving.node.packages import folder_digest
from serving.node.problems import NoLease
from serving.node.state import Node


class Registrations:
    """Client's name → version. Only bytes whose digest holds a live lease to serve get one."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._named: dict[str, str] = {}
        self._loaded_here: set[str] = set()
        self._lock = asyncio.Lock()

    def version_of(self, name: str) -> str:
        """The version that a client means: by its own name for it, or by ``slug@<12 hex>``."""
        return self._named.get(name, name)

    def names_of(self, version: str) -> list[str]:
        """The clients' names of a version."""
        return sorted(name for name, named in self._named.items() if named == version)

    async def register(self, *, name: str, source: str) -> None:
        """Hash the folder, and load it under the lease that its digest holds.

        Raises:
            RequestInvalid: the source is no folder of this node.
            NoLease: nothing permits these bytes.
            NameTaken: the name stands for other bytes that are loaded.
            DomainError: what ``Node.load`` raises.
        """
        folder = _folder_of(source)
        try:
            digest = await asyncio.to_thread(folder_digest, folder)
        except OSError as error:
            raise RequestInvalid(
                f"src can't be read on this node ({type(error).__name__})",
                fix="Name a folder that the node's account may read.",
            ) from error
        async with self._lock:
            version = self._leased(digest)
            former = self._named.get(name, version)
            if former != version and self._node.published_digest(former) is not None:
                raise NameTaken(
                    "This name stands for another digest on this node.",
                    fix="Unregister it first, or choose another name.",
                )
            was_loaded = self._node.published_digest(version) == digest
            await self._node.load(version, digest, folder, None)
            self._named[name] = version
            if not was_loaded:
                self._loaded_here.add(version)

    async def unregister(self, name: str) -> None:
        """Forget a name; what a registration has loaded is unloaded with its last name.

        Raises:
            AdapterUnknown: no client gave this name.
        """
        async with self._lock:
            version = self._named.pop(name, None)
            if version is None:
                raise AdapterUnknown("No adapter of this name is registered on this node")
            if version in self._loaded_here and not self.names_of(version):
                self._loaded_here.discard(version)
                with suppress(AdapterUnknown):  # the control plane, or a stop, was faster
                    await self._node.unload(version)

    def _leased(self, digest: str) -> str:
        for key, _ in self._node.leases.live():
            if key.digest == digest and key.purpose == "serve":
                return key.name
        raise NoLease(
            "no live serve lease covers these bytes",
            fix="Have the version approved and deployed: the control plane then sends the lease.",
        )


def _folder_of(source: str) -> Path:
    try:
        parts = urlsplit(source)
    except ValueError as error:  # a bracket that is never closed, say
        raise RequestInvalid("src is neither a path nor an address") from error
    if parts.scheme == "file" and parts.netloc in {"", "localhost"}:
        source = unquote(parts.path)
    elif parts.scheme:
        raise RequestInvalid(
            "A node loads folders of its own disk.",
            fix="Send an absolute path or file://…; the registry's own /adapters takes the rest.",
        )
    path = Path(source)
    if not path.is_absolute() or "\0" in source:
        raise RequestInvalid("src should be an absolute folder on this node")
    return path
