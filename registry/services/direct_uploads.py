"""Uploads that go straight to the object store by a signed address, and are taken from there."""

import io
from dataclasses import dataclass
from datetime import datetime
from typing import IO

from django.conf import settings
from django.db import transaction

from config.core import object_store, storage
from config.core.actors import Actor
from config.core.events import publish
from registry.domain.uploads import TTL_SECONDS
from registry.errors import UploadComplete, UploadDamaged, UploadInvalid
from registry.models import Blob, Upload
from registry.services import blobs, uploads
from registry.storage_errors import DirectUploadAbsent
from registry.storage_events import UrlSigned

PIECE_BYTES = 8 << 20


@dataclass(frozen=True)
class SignedUrl:
    """An address that holds until ``expires_at`` for whoever has it, without any account."""

    url: str
    method: str
    expires_at: datetime
    size_bytes: int


def sign_download(*, blob: Blob, actor: Actor) -> SignedUrl:
    """An address at which the stored bytes can be fetched from the store itself.

    Raises:
        NotSignable: the blobs lie on a file system.
        BlobNotFound: the store lost them.
    """
    seconds = settings.STORE.presigned_seconds
    ends_at = object_store.expiry(seconds)
    url = object_store.download_url(
        blob.key,
        file_name=blob.sha256,
        content_type="application/octet-stream",
        expires_seconds=seconds,
    )
    blobs.require_stored(blob)
    signed = SignedUrl(url, "GET", ends_at, blob.size_bytes)
    _note(signed, "blob", blob.sha256, actor)
    return signed


def sign_upload(*, upload: Upload, actor: Actor) -> SignedUrl:
    """An address that takes the declared file by one PUT of exactly its size.

    Raises:
        NotSignable: the blobs lie on a file system.
        UploadComplete: every byte is there already.
        UploadInvalid: no digest was declared, by which the bytes could be told.
    """
    if upload.is_done:
        raise UploadComplete("All bytes are stored.", fix="Name this digest in a manifest.")
    if not upload.sha256:
        raise UploadInvalid(
            "What is sent past us is told by its digest, and none was declared.",
            fix="Begin the upload with sha256.",
        )
    seconds = min(settings.STORE.presigned_seconds, TTL_SECONDS)
    ends_at = object_store.expiry(seconds)
    url = object_store.upload_url(
        _key(upload), size_bytes=upload.size_bytes, expires_seconds=seconds
    )
    signed = SignedUrl(url, "PUT", ends_at, upload.size_bytes)
    _note(signed, "upload", str(upload.uuid), actor)
    return signed


def complete(*, upload: Upload) -> Upload:
    """Take what was PUT: read once, hashed as it lies on our disk, stored under its digest.

    Whoever holds the address may PUT again until it expires, so the bytes that were hashed are the
    bytes that are stored, never the object once more. After a cut it goes on where it was.

    Raises:
        DirectUploadAbsent: nothing was PUT yet, or something of another size.
        UploadDamaged: the bytes are others than declared; nothing is kept.
        UploadBusy: another request takes them at this moment.
        NoRoom: our disk is full.
    """
    key = _key(upload)
    if upload.is_done:
        return upload
    if not storage.has(key, size_bytes=upload.size_bytes):
        raise _absent(upload)
    offset_bytes = uploads.standing_bytes(upload)
    try:
        with _rest(key, offset_bytes, upload) as stream:
            while not upload.is_done:
                piece = stream.read(PIECE_BYTES)
                if not piece and offset_bytes < upload.size_bytes:
                    raise _absent(upload)
                upload = uploads.receive(upload=upload, offset_bytes=offset_bytes, pieces=[piece])
                offset_bytes += len(piece)
    except UploadDamaged:
        storage.delete(key)
        raise
    storage.delete(key)
    return upload


def _rest(key: str, offset_bytes: int, upload: Upload) -> IO[bytes]:
    if offset_bytes == upload.size_bytes:
        return io.BytesIO()  # all bytes are here; a store refuses to send none
    try:
        return object_store.stream(key, offset_bytes=offset_bytes)
    except FileNotFoundError as error:
        raise _absent(upload) from error


def _absent(upload: Upload) -> DirectUploadAbsent:
    return DirectUploadAbsent(
        f"No object of {upload.size_bytes} bytes was sent to the signed address.",
        fix="PUT the file there, then ask again.",
    )


def _key(upload: Upload) -> str:
    return f"{storage.INCOMING}/{upload.uuid}"


def _note(signed: SignedUrl, object_type: str, object_id: str, actor: Actor) -> None:
    with transaction.atomic():
        publish(
            UrlSigned(
                actor=actor,
                object_type=object_type,
                object_id=object_id,
                diff={
                    "method": [None, signed.method],
                    "expires_at": [None, signed.expires_at.isoformat()],
                    "size_bytes": [None, signed.size_bytes],
                },
            )
        )
