"""Looks at the files that entries name: allowed, there, how large, which SHA-256."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from django.conf import settings

from config.core.storage import pieces_of
from deliveries import object_store
from deliveries.domain.file_refs import MAX_LETTERS, S3, S3Object, parse_s3, require_local
from deliveries.manager_errors import FilePathRefused


@dataclass(frozen=True, slots=True)
class FileFacts:
    """What a look at a file has found; ``sha256`` is empty where it was left for later."""

    size_bytes: int
    sha256: str


def is_remote_mode() -> bool:
    """Whether entries name objects of a store (STORAGE_TYPE=s3) or files of this machine."""
    return bool(settings.STORAGE_TYPE == "s3")


def look(file_path: str, *, hash_up_to_bytes: int | None = None) -> FileFacts:
    """Find the file and hash it, unless it is larger than ``hash_up_to_bytes``.

    Raises:
        FilePathRefused: it lies outside what is allowed, or there is no file.
        StoreAway: the object store does not answer.
    """
    if len(file_path) > MAX_LETTERS:
        raise _refused("The path is too long.", f"At most {MAX_LETTERS} characters.")
    if is_remote_mode():
        return _look_at_object(s3_object(file_path), hash_up_to_bytes)
    if file_path.startswith(S3):
        raise _refused(
            "Objects of a store are registered with STORAGE_TYPE=s3 alone.",
            "Name a local file by its absolute path.",
        )
    return _look_at_file(_allowed(file_path), hash_up_to_bytes)


def s3_object(uri: str) -> S3Object:
    """The object that ``uri`` names, if its bucket is an allowed one.

    Raises:
        FilePathRefused: it is no s3:// address, or its bucket is another.
    """
    try:
        found = parse_s3(uri)
    except ValueError as error:
        raise _refused(f"This can't be registered: {error}.", "Name it s3://bucket/key.") from error
    if found.bucket not in _buckets():
        raise _refused(
            "The bucket is not one that may be read from.",
            "An administrator lists it in LORA_S3_BUCKETS.",
        )
    return found


def is_readable_bucket(uri: str) -> bool:
    """Whether ``uri`` is s3://bucket/key in a bucket of files or of metadata."""
    try:
        return parse_s3(uri).bucket in {*_buckets(), settings.METADATA_BUCKET}
    except ValueError:
        return False


def _buckets() -> Sequence[str]:
    own = settings.STORAGES["blobs"].get("OPTIONS", {}).get("bucket_name")
    return settings.LORA_S3_BUCKETS or ([own] if own else [])


def _allowed(file_path: str) -> Path:
    """The file behind the path, after every link; one answer for all that lies outside."""
    try:
        asked = Path(require_local(file_path))
        real = asked.resolve()
    except (ValueError, OSError, RuntimeError) as error:  # RuntimeError: links that go in circles
        why = error if isinstance(error, ValueError) else "it leads nowhere"
        raise _refused(f"This can't be registered: {why}.", "Name it by its plain path.") from error
    roots = [root.resolve() for root in settings.LORA_FILE_ROOTS]
    if not any(real.is_relative_to(root) for root in roots):
        raise _refused(
            "The path lies outside the folders that files may be registered from.",
            "An administrator lists them in LORA_FILE_ROOTS.",
        )
    return real


def _look_at_file(real: Path, hash_up_to_bytes: int | None) -> FileFacts:
    try:
        if not real.is_file():
            raise _refused("There is no file at this path.", "Put the file there first.")
        size_bytes = real.stat().st_size
        if hash_up_to_bytes is not None and size_bytes > hash_up_to_bytes:
            return FileFacts(size_bytes, "")
        with real.open("rb") as stream:
            return _hash(stream)
    except OSError as error:
        raise _refused(
            f"The file can't be read ({error.strerror}).", "Let this process read it."
        ) from error


def _look_at_object(found: S3Object, hash_up_to_bytes: int | None) -> FileFacts:
    try:
        size_bytes = object_store.size_of(found)
        if hash_up_to_bytes is not None and size_bytes > hash_up_to_bytes:
            return FileFacts(size_bytes, "")
        with object_store.opened(found) as stream:
            return _hash(stream)
    except object_store.ObjectAbsent as error:
        raise _refused("There is no object at this address.", "Upload it first.") from error


def _hash(stream: IO[bytes]) -> FileFacts:
    digest = hashlib.sha256()
    size_bytes = 0
    for piece in pieces_of(stream):
        digest.update(piece)
        size_bytes += len(piece)
    return FileFacts(size_bytes, digest.hexdigest())


def _refused(message: str, fix: str) -> FilePathRefused:
    return FilePathRefused(message, fix=fix, errors=[{"pointer": "/file_path", "message": message}])
