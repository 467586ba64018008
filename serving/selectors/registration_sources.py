"""What the ``src`` of a registration means: one version of this registry, or a refusal."""

import re
from urllib.parse import SplitResult, unquote, urlsplit

from django.conf import settings
from django.db.models import QuerySet

from config.core.digests import WHOLE_SHA256
from config.core.storage import blob_storage
from config.core.texts import unstorable
from registry.models import StorageAlias, Version, VersionFile
from registry.selectors import version_by_ref
from serving.errors import SourceInvalid

_BLOB_PATHS = re.compile(r"/api/v1/blobs/(?:sha256:)?([0-9a-f]{64})")
_BLOB_KEY = re.compile(r"(?:.*/)?sha256/[0-9a-f]{2}/([0-9a-f]{64})")
_SHOWN = 5
_FORMS = (
    "Name slug@version, slug@alias, sha256:<digest>, the address of a blob here, or an s3:// "
    "address in this registry's bucket. What lies elsewhere has to be pushed and approved first."
)


def version_of_source(source: str) -> Version:
    """The one version that ``source`` names.

    ``slug@version_name``, ``slug@alias``, ``slug@sha256:…``, a version's uuid; ``sha256:<64 hex>``
    of a version or of one of its files; ``…/api/v1/blobs/<64 hex>`` of this installation;
    ``s3://bucket/key`` of a file in the registry's own bucket, by its stored or its outward key.

    Raises:
        SourceInvalid: it is of another form, lies elsewhere, or names several versions or none.
        RefInvalid, AdapterNotFound, VersionNotFound: as ``registry.selectors.version_by_ref``.
    """
    scheme, colon, rest = source.partition(":")
    if colon and scheme.lower() == "s3":
        return _of_blob(_blob_in_bucket(source))
    if colon and scheme.lower() in {"http", "https"}:
        return _of_blob(_blob_at(source))
    if colon and scheme == "sha256":
        if not WHOLE_SHA256.fullmatch(rest):
            raise SourceInvalid("This is no whole SHA-256.", fix="Give all 64 hex digits.")
        found = _versions().filter(digest=rest)
        return _only(list(found[: _SHOWN + 1])) if found.exists() else _of_blob(rest)
    if "/" in source:
        raise SourceInvalid("The source names nothing in this registry.", fix=_FORMS)
    return version_by_ref(source)


def _blob_in_bucket(source: str) -> str:
    """The SHA-256 of an object in our bucket."""
    parts = _split(source)
    bucket = getattr(blob_storage(), "bucket_name", None)
    if bucket is None or parts.netloc != bucket:
        raise SourceInvalid("The source lies in a bucket that is not this registry's.", fix=_FORMS)
    key = unquote(parts.path).lstrip("/")
    stored = _BLOB_KEY.fullmatch(key)
    if stored is not None:
        return stored[1]
    # Written as %00 in the address, a key may hold what no row can be asked for.
    aliases = StorageAlias.objects.none() if unstorable(key) else StorageAlias.objects.all()
    alias = aliases.filter(key=key).select_related("blob").first()
    if alias is None or alias.blob is None:
        raise SourceInvalid("This registry's bucket has no such key.", fix=_FORMS)
    return alias.blob.sha256


def _blob_at(source: str) -> str:
    """The SHA-256 in the address of a blob of this installation."""
    parts = _split(source)
    ours = urlsplit(settings.FORMULARY_URL)
    found = _BLOB_PATHS.fullmatch(parts.path)
    if found is None or parts.netloc.lower() != ours.netloc.lower():
        raise SourceInvalid("The source is no blob of this installation.", fix=_FORMS)
    return found[1]


def _split(source: str) -> SplitResult:
    try:
        return urlsplit(source)
    except ValueError as error:  # a bracket that is never closed, say
        raise SourceInvalid("The source is no address.", fix=_FORMS) from error


def _of_blob(sha256: str) -> Version:
    files = VersionFile.objects.filter(blob__sha256=sha256)
    return _only(list(_versions().filter(pk__in=files.values("version"))[: _SHOWN + 1]))


def _only(found: list[Version]) -> Version:
    if len(found) == 1:
        return found[0]
    if not found:
        raise SourceInvalid("No version of this registry consists of these bytes.", fix=_FORMS)
    names = ", ".join(f"{row.adapter.ref}@{row.version_name}" for row in found[:_SHOWN])
    raise SourceInvalid(f"Several versions hold these bytes: {names}.", fix="Name one of them.")


def _versions() -> QuerySet[Version]:
    return Version.objects.select_related("adapter__base_model", "submitted_by__person")
