"""Uploads in chunks: begun, continued after a cut, completed into blobs, swept away."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import Sum

from config.accounts.models import User
from config.core import clock, storage
from config.core.failpoints import failpoint
from registry.domain.packages import Member, PackageInvalid, plan_package
from registry.domain.uploads import TTL_SECONDS, safe_bytes
from registry.errors import (
    UploadBusy,
    UploadComplete,
    UploadDamaged,
    UploadNotFound,
    UploadOffsetWrong,
    UploadQuotaReached,
    UploadTooLarge,
)
from registry.models import Blob, Upload
from registry.services import blobs, partial_files
from registry.services.partial_files import PartialFile


def begin(*, owner: User, size_bytes: int, sha256: str = "", path: str = "") -> Upload:
    """Declare a file that will come in chunks.

    Raises:
        UploadTooLarge: more than UPLOAD_MAX_BYTES.
        PackageInvalid: ``path`` could not be one in a package.
        UploadQuotaReached: the owner has too much under way.
        NoRoom: the disk could not take it.
    """
    if size_bytes > settings.UPLOAD_MAX_BYTES:
        raise UploadTooLarge(
            f"The file has {size_bytes} bytes, {settings.UPLOAD_MAX_BYTES} are taken.",
            fix="Upload the adapter alone, without the base model and optimizer states; the limit "
            "is the setting UPLOAD_MAX_BYTES.",
        )
    if path and (faults := plan_package([Member(path, size_bytes)])):
        raise PackageInvalid(faults)
    partial_files.require_room(size_bytes)
    with transaction.atomic():
        # Two at once would both see room for themselves.
        User.objects.select_for_update(no_key=True).get(pk=owner.pk)
        _require_quota(owner, size_bytes)
        return Upload.objects.create(
            owner=owner, size_bytes=size_bytes, sha256=sha256, path=path, expires_at=_expiry()
        )


def standing_bytes(upload: Upload) -> int:
    """How many bytes are safely stored: where the next chunk begins."""
    if upload.is_done:
        return upload.size_bytes
    return safe_bytes(
        recorded_bytes=upload.offset_bytes, found_bytes=partial_files.found_bytes(upload.uuid)
    )


def receive(
    *, upload: Upload, offset_bytes: int, pieces: Iterable[bytes], checksum: str = ""
) -> Upload:
    """Append a chunk; with the last one hash the whole from the disk and store it.

    ``checksum``: hex SHA-256 of the chunk. An empty chunk at the end completes an upload whose
    completion was cut off. The file is synced before the row says so; a crash between the two
    costs the chunk, which is sent again.

    Raises:
        UploadNotFound: it ended meanwhile.
        UploadBusy: another chunk is being written.
        UploadComplete: every byte is there already.
        UploadOffsetWrong: the stored bytes end elsewhere; the error says where.
        UploadInvalid, UploadTooLarge: more bytes than declared, or than a chunk may have.
        UploadDamaged: a digest is not what was declared; of a wrong whole nothing is kept.
        NoRoom: the disk is full; the chunk is cut off again.
    """
    with partial_files.locked(upload.uuid) as file:
        row = Upload.objects.filter(pk=upload.pk).first()
        if row is None or row.is_done:
            file.discard()  # opening may have made it anew
            raise _over(upload, row)
        _settle_offset(row, file)
        if offset_bytes != row.offset_bytes:
            raise UploadOffsetWrong(
                f"{row.offset_bytes} bytes are stored, the chunk begins at {offset_bytes}.",
                offset_bytes=row.offset_bytes,
                fix=f"Send the bytes from {row.offset_bytes} on.",
            )
        _append(row, file, pieces, checksum)
        if row.offset_bytes == row.size_bytes:
            _complete(row, file)
        return row


def cancel(*, upload: Upload) -> None:
    """End an upload; its bytes are deleted unless they are whole and stored.

    Raises:
        UploadBusy: a chunk is being written.
    """
    with partial_files.locked(upload.uuid) as file:
        Upload.objects.filter(pk=upload.pk).delete()
        file.discard()


def release(*, owner: User, sha256s: Iterable[str]) -> None:
    """Forget finished uploads of bytes that a version uses now, so that they count no more."""
    Upload.objects.filter(owner=owner, blob__sha256__in=set(sha256s)).delete()


def sweep() -> int:
    """End what nobody went on with for a day, and files without a row; returns how many ended."""
    ended = 0
    for upload in Upload.objects.filter(expires_at__lt=clock.now()):
        try:
            ended += _end_expired(upload)
        except UploadBusy:
            continue
    return ended + _sweep_files()


def _end_expired(upload: Upload) -> int:
    with partial_files.locked(upload.uuid) as file:
        # A chunk may have come since the row was read: then it lives on.
        ended, _ = Upload.objects.filter(pk=upload.pk, expires_at__lt=clock.now()).delete()
        if ended:
            file.discard()
    return ended


def _sweep_files() -> int:
    ended = 0
    for uuid in partial_files.all_uuids():
        try:
            with partial_files.locked(uuid) as file:
                if not _is_open(uuid):
                    file.discard()
                    ended += 1
        except UploadBusy:
            continue
    return ended


def _is_open(uuid: UUID) -> bool:
    return Upload.objects.filter(uuid=uuid, blob=None).exists()


def _settle_offset(row: Upload, file: PartialFile) -> None:
    """Make row and file agree on what is safe, whatever a crash left."""
    safe = safe_bytes(recorded_bytes=row.offset_bytes, found_bytes=file.size_bytes)
    file.cut(safe)
    _record(row, safe)


def _append(row: Upload, file: PartialFile, pieces: Iterable[bytes], checksum: str) -> None:
    written_bytes, sha256 = file.append(
        pieces, at_bytes=row.offset_bytes, room_bytes=row.size_bytes - row.offset_bytes
    )
    if checksum and sha256 != checksum:
        file.cut(row.offset_bytes)
        raise UploadDamaged(
            f"The chunk at {row.offset_bytes} does not have its Upload-Checksum.",
            fix="Send the same bytes again.",
        )
    failpoint("upload.chunk_synced")
    _record(row, row.offset_bytes + written_bytes)


def _record(row: Upload, offset_bytes: int) -> None:
    row.offset_bytes = offset_bytes
    row.expires_at = _expiry()
    Upload.objects.filter(pk=row.pk).update(offset_bytes=offset_bytes, expires_at=row.expires_at)


def _complete(row: Upload, file: PartialFile) -> None:
    sha256 = file.sha256()
    if row.sha256 and sha256 != row.sha256:
        Upload.objects.filter(pk=row.pk).delete()
        file.discard()
        raise UploadDamaged(
            f"The file has the digest {sha256}, {row.sha256} was declared; nothing is kept.",
            fix="Begin a new upload, and don't write to the file meanwhile.",
        )
    blobs.claim(sha256)
    stored = storage.put_whole(file.path, sha256=sha256, size_bytes=row.size_bytes)
    failpoint("upload.whole_linked")
    row.blob, _ = Blob.objects.get_or_create(
        sha256=stored.sha256, defaults={"size_bytes": stored.size_bytes}
    )
    row.sha256 = sha256
    Upload.objects.filter(pk=row.pk).update(blob=row.blob, sha256=sha256)
    file.discard()


def _require_quota(owner: User, size_bytes: int) -> None:
    mine = Upload.objects.filter(owner=owner)
    open_count = mine.filter(blob=None).count()
    if open_count >= settings.UPLOAD_OPEN_MAX:
        raise _over_quota(f"You have {open_count} unfinished uploads, which is the most.")
    unused_bytes = mine.aggregate(total=Sum("size_bytes"))["total"] or 0
    if unused_bytes + size_bytes > settings.UPLOAD_QUOTA_BYTES:
        raise _over_quota(
            f"You have uploads of {unused_bytes} bytes that no version uses yet, and "
            f"{settings.UPLOAD_QUOTA_BYTES} are the most."
        )


def _over_quota(message: str) -> UploadQuotaReached:
    return UploadQuotaReached(
        message,
        fix="GET /api/v1/uploads lists them: submit the version that they are for, or DELETE them. "
        "What nobody goes on with ends after 24 hours.",
    )


def _over(upload: Upload, row: Upload | None) -> UploadNotFound | UploadComplete:
    if row is None:
        return UploadNotFound(f"There is no upload {upload.uuid}.", fix="Begin a new one.")
    return UploadComplete(
        f"All {row.size_bytes} bytes are stored under {row.sha256}.",
        fix="Name this digest in the manifest of a version.",
    )


def _expiry() -> datetime:
    return clock.now() + timedelta(seconds=TTL_SECONDS)
