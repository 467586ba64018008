"""Metadata documents of entries: made, mirrored into the store, read from it."""

import json
from dataclasses import dataclass
from typing import Any

from django.conf import settings

from config.core import clock
from config.core.errors import StoreAway
from config.core.texts import find_unstorable
from deliveries import object_store
from deliveries.domain import mirrors
from deliveries.domain.file_refs import S3, S3Object, parse_s3
from deliveries.manager_errors import MetadataRefused
from deliveries.models import LoraEntry

MAX_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class GivenMetadata:
    """What a document in the store says of a file; empty or None where it says nothing."""

    name: str
    file_path: str
    sha256: str
    size_bytes: int | None
    tags: tuple[str, ...]


def document_of(entry: LoraEntry) -> dict[str, Any]:
    """The metadata that readers outside may have; a preview in the store gets a signed address."""
    return mirrors.document(
        id=str(entry.uuid),
        name=entry.name,
        file_path=entry.file_path,
        sha256=entry.sha256,
        size_bytes=entry.size_bytes,
        tags=entry.tags,
        created_at=entry.created_at,
        preview_url=preview_address(entry),
    )


def preview_address(entry: LoraEntry) -> str:
    """Where anybody may look at the preview: its https address, or a signed one that ends."""
    if not entry.preview_uri.startswith(S3):
        return entry.preview_uri
    return object_store.signed_address(
        parse_s3(entry.preview_uri), seconds=settings.METADATA_PREVIEW_SECONDS
    )


def target_of(entry: LoraEntry) -> S3Object:
    """Where the entry's document lies: ``{METADATA_PREFIX}/{id}.json``."""
    return S3Object(
        settings.METADATA_BUCKET, mirrors.key(settings.METADATA_PREFIX, str(entry.uuid))
    )


def mirror(entry: LoraEntry) -> bool:
    """Write the entry's document, or remove that of a deleted one; whether the store took it.

    Never inside a transaction, and by whoever is alone with the entry. The same key is
    overwritten, so doing it again does no harm; the row remembers which revision lies there, and
    why the last try failed.
    """
    row = LoraEntry.objects.filter(pk=entry.pk)
    try:
        if entry.deleted_at is None:
            body = json.dumps(document_of(entry), ensure_ascii=False, indent=2).encode()
            object_store.put_json(target_of(entry), body)
        else:
            object_store.remove(target_of(entry))
    except (StoreAway, object_store.ObjectAbsent) as error:
        why = error.message if isinstance(error, StoreAway) else "There is no such bucket."
        row.update(mirror_error=why[:300])
        return False
    row.update(mirrored_revision=entry.revision, mirrored_at=clock.now(), mirror_error="")
    return True


def read(uri: str) -> GivenMetadata:
    """The document at ``s3://METADATA_BUCKET/…``.

    Raises:
        MetadataRefused: it lies elsewhere, is not there, too large, or of another form.
        StoreAway: the store does not answer.
    """
    try:
        found = parse_s3(uri)
    except ValueError as error:
        raise _refused(f"This is no address of a document: {error}.") from error
    if found.bucket != settings.METADATA_BUCKET:
        raise _refused(f"Documents are read from the bucket {settings.METADATA_BUCKET} alone.")
    try:
        with object_store.opened(found) as stream:
            body = stream.read(MAX_BYTES + 1)
    except object_store.ObjectAbsent as error:
        raise _refused("There is no document at this address.") from error
    return _parse(body)


def _parse(body: bytes) -> GivenMetadata:
    try:
        said = json.loads(body) if len(body) <= MAX_BYTES else None
    except (ValueError, RecursionError):
        said = None
    if not isinstance(said, dict) or find_unstorable(said)[1]:
        raise _refused(f"The document is no JSON object of at most {MAX_BYTES} bytes.")
    tags, size = said.get("tags") or [], said.get("size_bytes")
    texts = {key: said.get(key) or "" for key in ("name", "file_path", "sha256")}
    is_typed = (
        all(isinstance(text, str) for text in texts.values())
        and isinstance(tags, list)
        and all(isinstance(tag, str) for tag in tags)
        and (size is None or (isinstance(size, int) and not isinstance(size, bool)))
    )
    if not is_typed:
        raise _refused("A field of the document has another type than the mirror writes.")
    return GivenMetadata(**texts, size_bytes=size, tags=tuple(tags))


def _refused(message: str) -> MetadataRefused:
    return MetadataRefused(
        message,
        fix="Send the fields in the request, or have the document written anew.",
        errors=[{"pointer": "/metadata_uri", "message": message}],
    )
