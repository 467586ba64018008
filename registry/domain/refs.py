"""References: ``uuid``, ``slug`` or ``ns:slug``, then ``@version_name``, ``@alias`` or a digest."""

import re
from dataclasses import dataclass
from uuid import UUID

from registry.errors import RefInvalid

DEFAULT_NAMESPACE = "default"
SLUG = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
VERSION_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,62}")
DIGEST_PREFIX = "sha256:"
_DIGEST = re.compile(r"[0-9a-f]{12,64}")
_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
# Names with a meaning of their own: no version may be called so.
RESERVED_NAMES = frozenset({"live", "latest", "main"})
# First parts of paths at the root: Hub clients ask for /{namespace}/{slug}/…, and must not be
# answered by another door.
RESERVED_NAMESPACES = frozenset(
    {
        ".well-known", "accounts", "adapters", "admin", "api", "artifact", "artifacts", "avatar",
        "compose", "console", "deliveries", "docs", "health", "invocations", "lambda", "login",
        "logout", "manager", "media", "metrics", "persistence", "ping", "sagemaker", "static",
        "training-data", "ui", "v1",
    }
)  # fmt: skip


@dataclass(frozen=True)
class AdapterRef:
    """Either ``uuid`` is set, or ``namespace`` and ``slug`` are."""

    uuid: UUID | None = None
    namespace: str = DEFAULT_NAMESPACE
    slug: str = ""

    def __str__(self) -> str:
        if self.uuid is not None:
            return str(self.uuid)
        return self.slug if self.namespace == DEFAULT_NAMESPACE else f"{self.namespace}:{self.slug}"


@dataclass(frozen=True)
class VersionRef:
    """A version's own uuid, or an adapter and the ``name`` or (part of) the ``digest`` after @."""

    uuid: UUID | None = None
    adapter: AdapterRef | None = None
    name: str = ""
    digest: str = ""

    @property
    def is_short_digest(self) -> bool:
        """Whether the name may be the digest in ``slug@<12 hex>``, as answers name versions."""
        return is_digest_like(self.name)

    def __str__(self) -> str:
        if self.uuid is not None:
            return str(self.uuid)
        return f"{self.adapter}@{DIGEST_PREFIX + self.digest if self.digest else self.name}"


def is_uuid(text: str) -> bool:
    """Whether ``text`` is a UUID as we write them: lower case, with hyphens."""
    return _UUID.fullmatch(text) is not None


def looks_like_uuid(text: str) -> bool:
    """Whether ``text`` could be taken for a UUID: in either case, with or without its hyphens."""
    digits = text.strip("{}").lower().replace("-", "")
    return len(digits) == 32 and all(digit in "0123456789abcdef" for digit in digits)


def is_digest_like(text: str) -> bool:
    """Whether ``text`` could be the short digest in ``slug@<12 hex>``."""
    return _DIGEST.fullmatch(text) is not None


def parse_adapter_ref(text: str) -> AdapterRef:
    """Read ``uuid``, ``slug`` or ``ns:slug``.

    Raises:
        RefInvalid: it is none of these.
    """
    if is_uuid(text):
        return AdapterRef(uuid=UUID(text))
    namespace, colon, slug = text.rpartition(":")
    if not colon:
        namespace = DEFAULT_NAMESPACE
    if not SLUG.fullmatch(slug) or not SLUG.fullmatch(namespace):
        raise RefInvalid(
            f"{text[:140]!r} names no adapter.",
            fix="Write a uuid, slug or namespace:slug; a slug has lower-case letters, digits and "
            "hyphens.",
        )
    return AdapterRef(namespace=namespace, slug=slug)


def parse_version_ref(text: str) -> VersionRef:
    """Read a version's uuid, or an adapter's ref with ``@version_name``, ``@alias``,
    ``@sha256:<12 to 64 hex>``.

    Raises:
        RefInvalid: it is none of these.
    """
    if is_uuid(text):
        return VersionRef(uuid=UUID(text))
    adapter_text, at, name = text.partition("@")
    if not at:
        raise RefInvalid(
            f"{text[:140]!r} names no version.",
            fix="Add @version_name, @alias or @sha256:<digest> to the adapter's name.",
        )
    adapter = parse_adapter_ref(adapter_text)
    if name.startswith(DIGEST_PREFIX):
        digest = name.removeprefix(DIGEST_PREFIX)
        if not is_digest_like(digest):
            raise RefInvalid(
                f"{digest[:80]!r} is not the beginning of a SHA-256.",
                fix="Give 12 to 64 of its lower-case hex digits.",
            )
        return VersionRef(adapter=adapter, digest=digest)
    if not VERSION_NAME.fullmatch(name):
        raise RefInvalid(
            f"{name[:80]!r} can't be the name of a version or an alias.",
            fix="Names have letters, digits and . _ + - and at most 63 characters.",
        )
    return VersionRef(adapter=adapter, name=name)
