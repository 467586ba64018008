"""Adapters and versions: added, listed, read."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from compliance.selectors.permissions import open_serve_permission
from compliance.selectors.stops import is_stopped
from config.accounts.roles import Act
from registry.models import Adapter, BaseModel, Version
from registry.selectors import live_version
from registry.services import versions
from registry.sources.archives import ArchiveSource
from registry.sources.base import PackageSource
from registry.sources.files import FolderSource
from serving.lifecycle import lookups
from serving.lifecycle.acting import Acting, in_thread
from serving.lifecycle.errors import MetadataInvalid
from serving.lifecycle.metadata import (
    AdapterMetadata,
    AdapterVersion,
    check_fits,
    check_metadata,
    check_version,
    described,
    metadata_from,
    ref_of,
    stated,
    stated_of,
    version_from,
)
from serving.models import SelfDescription
from serving.services import self_descriptions


@dataclass(frozen=True, kw_only=True)
class RegisteredVersion:
    """A version as the registry has it. ``status``: approved, stopped, or pending."""

    version_id: str
    digest: str
    status: str
    submitted_by: str
    submitted_at: datetime
    said: AdapterVersion


@dataclass(frozen=True, kw_only=True)
class RegisteredAdapter:
    """An adapter as the registry has it; ``live_version_id`` is None while none was promoted."""

    adapter_id: str
    ref: str
    uuid: str
    owner: str
    live_version_id: str | None
    metadata: AdapterMetadata
    versions: tuple[RegisteredVersion, ...]


class AdapterRegistry:
    """``lifecycle.registry``."""

    def __init__(self, acting: Acting, base: BaseModel) -> None:
        self._acting, self._base = acting, base

    async def add_version(
        self,
        adapter_id: str,
        version: AdapterVersion,
        package: Path | str,
        *,
        label: Mapping[str, Any] | None = None,
    ) -> RegisteredVersion:
        """Submit the bytes of a version: the package's folder, or its ZIP archive.

        ``label``: the intended use, without which nobody can be asked for approval. The same bytes
        again are the same version.

        Raises:
            PackageInvalid, VersionNameRefused, VersionNameTaken, LabelInvalid: as ``submit``.
            MetadataInvalid: it contradicts its adapter.
            Forbidden: no role of the account may submit.
        """
        return await in_thread(self._add, adapter_id, version, Path(package), label)

    async def list(self) -> tuple[RegisteredAdapter, ...]:
        """All adapters of this manager's base, newest first."""
        return await in_thread(self._list)

    async def get(self, adapter_id: str) -> RegisteredAdapter:
        """One adapter.

        Raises:
            AdapterNotFound: there is none of this id.
        """
        return await in_thread(self._get, adapter_id)

    def register(self, metadata: AdapterMetadata) -> RegisteredAdapter:
        """Open an adapter, or bring what is said of it up to date; see ``register_adapter``."""
        check_metadata(metadata)
        check_fits(metadata, self._base)
        ref = ref_of(metadata.adapter_id)
        row = self_descriptions.register_adapter(
            slug=ref.slug,
            namespace=ref.namespace,
            base_model=self._base,
            adapter_type=str(metadata.adapter_type),
            safety_class=metadata.safety_class,
            described=described(metadata),
            stated=stated(metadata),
            **self._acting.by,
        )
        return _adapter(row)

    def _add(
        self,
        adapter_id: str,
        version: AdapterVersion,
        package: Path,
        label: Mapping[str, Any] | None,
    ) -> RegisteredVersion:
        self._acting.require(Act.SUBMIT)
        adapter = lookups.adapter_by_id(adapter_id, self._base)
        check_version(version, adapter_type=adapter.adapter_type, base=self._base)
        if package.is_dir():
            row = self._submit(adapter, version, FolderSource(package), label)
        elif package.is_file():
            with package.open("rb") as stream:
                row = self._submit(adapter, version, ArchiveSource(stream), label)
        else:
            raise MetadataInvalid(
                f"package: {package} is neither a folder nor a file.",
                fix="Give the folder of the PEFT adapter, or its ZIP archive.",
            )
        self_descriptions.state(
            adapter=adapter, version=row, values=stated_of(version), **self._acting.by
        )
        return _version(row)

    def _submit(
        self,
        adapter: Adapter,
        version: AdapterVersion,
        source: PackageSource,
        label: Mapping[str, Any] | None,
    ) -> Version:
        row, is_new = versions.submit(
            adapter=adapter,
            package=source,
            version_name=version.version_id,
            notes=version.description,
            label=label,
            **self._acting.by,
        )
        if not is_new and row.version_name != version.version_id:
            raise MetadataInvalid(
                f"{adapter.ref} has these bytes already, as {row.version_name}.",
                fix="Use that version, or train another one.",
            )
        return row

    def _list(self) -> tuple[RegisteredAdapter, ...]:
        self._acting.require(Act.READ)
        rows = Adapter.objects.filter(base_model=self._base).select_related("owner", "base_model")
        return tuple(_adapter(row) for row in rows.order_by("-pk"))

    def _get(self, adapter_id: str) -> RegisteredAdapter:
        self._acting.require(Act.READ)
        return _adapter(lookups.adapter_by_id(adapter_id, self._base))


def _adapter(row: Adapter) -> RegisteredAdapter:
    metadata = metadata_from(row, lookups.said_of(row))
    live = live_version(row)
    rows = Version.objects.filter(adapter=row).select_related("adapter__base_model", "submitted_by")
    return RegisteredAdapter(
        adapter_id=metadata.adapter_id,
        ref=row.ref,
        uuid=str(row.uuid),
        owner=row.owner.get_username(),
        live_version_id=live.version_name if live is not None else None,
        metadata=metadata,
        versions=tuple(_version(each) for each in rows.order_by("-number")),
    )


def _version(row: Version) -> RegisteredVersion:
    said = SelfDescription.objects.filter(version=row).first()
    status = "approved" if open_serve_permission(row) is not None else "pending"
    return RegisteredVersion(
        version_id=row.version_name,
        digest=row.digest,
        status="stopped" if is_stopped(row.digest) else status,
        submitted_by=row.submitted_by.get_username(),
        submitted_at=row.submitted_at,
        said=version_from(row, said.values if said is not None else {}),
    )
