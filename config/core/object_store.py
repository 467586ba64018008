"""What an S3 store can do beyond keeping bytes: signed addresses, copies under other keys.

The store's library is imported where it is used: it takes as long to import as a dozen of our own
modules, and an installation whose blobs lie on a disk never needs it.
"""

import shutil
import tempfile
from datetime import datetime, timedelta
from typing import IO, Any

from django.conf import settings

from config.core import clock
from config.core.errors import Conflict
from config.core.storage import INCOMING, blob_storage

IN_MEMORY_BYTES = 4 << 20
# One request copies so much; the library would ask for each 8 MiB.
COPY_PART_BYTES = 1 << 30


class NotSignable(Conflict):
    """The blobs lie where no signed address leads to."""

    code = "store-not-signable"
    title = "This store gives no signed addresses"


def is_s3() -> bool:
    """Whether blobs lie in a bucket."""
    return hasattr(blob_storage(), "bucket_name")


def refusals() -> tuple[type[Exception], ...]:
    """What an S3 store's refusal or silence is raised as; nothing where there is no such store."""
    if not is_s3():
        return ()
    from boto3.exceptions import Boto3Error
    from botocore.exceptions import BotoCoreError, ClientError

    return (Boto3Error, BotoCoreError, ClientError)


def store_failures(*more: type[Exception]) -> tuple[type[Exception], ...]:
    """What reading and writing may raise where a disk or a store fails; and ``more`` beside it."""
    return (*more, OSError, *refusals())


def expiry(seconds: int) -> datetime:
    """When an address ends that is signed next, for so long: it begins with this whole second."""
    return clock.now().replace(microsecond=0) + timedelta(seconds=seconds)


def download_url(key: str, *, file_name: str, content_type: str, expires_seconds: int) -> str:
    """A signed address that anybody may GET the object at, until it expires.

    Raises:
        NotSignable: the store is no S3 store.
    """
    quoted = "".join(
        c if c.isascii() and c.isprintable() and c not in '"\\' else "_" for c in file_name
    )
    return _signed(
        "get_object",
        expires_seconds,
        Key=key,
        ResponseContentType=content_type,
        ResponseContentDisposition=f'attachment; filename="{quoted}"',
    )


def upload_url(key: str, *, size_bytes: int, expires_seconds: int) -> str:
    """A signed address that takes one object of exactly ``size_bytes`` by PUT, until it expires.

    Raises:
        NotSignable: the store is no S3 store.
    """
    return _signed("put_object", expires_seconds, Key=key, ContentLength=size_bytes)


def copy(source: str, target: str, *, content_type: str) -> None:
    """Give the object ``source`` a second key inside its bucket; no byte passes through here.

    Raises:
        store_failures: the store refuses or does not answer.
    """
    storage = _s3()
    from boto3.s3.transfer import TransferConfig

    try:
        storage.connection.meta.client.copy(
            {"Bucket": storage.bucket_name, "Key": source},
            storage.bucket_name,
            target,
            ExtraArgs={"ContentType": content_type, "MetadataDirective": "REPLACE"},
            Config=TransferConfig(
                multipart_threshold=COPY_PART_BYTES, multipart_chunksize=COPY_PART_BYTES
            ),
        )
    except KeyError as error:
        raise OSError("The store does not know how to copy an object in parts.") from error


def stream(key: str, *, offset_bytes: int = 0) -> IO[bytes]:
    """The object's bytes as they arrive, forward only: the first ones need not wait for the last.

    The storage's own ``open`` fetches an object whole before it gives a byte.

    Raises:
        FileNotFoundError: there is none under this key, or it ends before ``offset_bytes``.
        store_failures: the store refuses or does not answer; reading may raise it too.
    """
    bucket = _s3().bucket
    from botocore.exceptions import ClientError

    try:
        place = {"Range": f"bytes={offset_bytes}-"} if offset_bytes else {}
        body: IO[bytes] = bucket.Object(key).get(**place)["Body"]
    except ClientError as error:
        if error.response.get("Error", {}).get("Code") in {"NoSuchKey", "404", "InvalidRange"}:
            raise FileNotFoundError(key) from error
        raise
    return body


def fetch(key: str) -> IO[bytes]:
    """The object's bytes for reading at any place: fetched whole, onto disk where they are many.

    Raises:
        FileNotFoundError: there is none under this key.
        store_failures: the store refuses or does not answer, or stops to.
    """
    local = tempfile.SpooledTemporaryFile(max_size=IN_MEMORY_BYTES)  # noqa: SIM115
    with stream(key) as arriving:
        shutil.copyfileobj(arriving, local, IN_MEMORY_BYTES)
    local.seek(0)
    return local


def sweep_incoming(*, older_than_seconds: float) -> int:
    """Delete what was sent to signed addresses and never taken; returns how many objects went."""
    storage, gone = _s3(), 0
    limit = clock.now() - timedelta(seconds=older_than_seconds)
    for found in storage.bucket.objects.filter(Prefix=f"{INCOMING}/"):
        if found.last_modified < limit:
            found.delete()
            gone += 1
    return gone


def _signed(operation: str, expires_seconds: int, **parameters: Any) -> str:
    storage = _s3()
    url: str = _signer(storage).generate_presigned_url(
        operation, Params={"Bucket": storage.bucket_name, **parameters}, ExpiresIn=expires_seconds
    )
    return url


def _signer(storage: Any) -> Any:
    """Signing needs no connection: an address under which clients alone reach the store will do."""
    public = settings.STORE.public_endpoint_url
    if not public:
        return storage.connection.meta.client
    import boto3

    return boto3.client(
        "s3",
        aws_access_key_id=storage.access_key,
        aws_secret_access_key=storage.secret_key,
        aws_session_token=storage.security_token,
        region_name=storage.region_name,
        endpoint_url=public,
        config=storage.client_config,
    )


def _s3() -> Any:
    if not is_s3():
        raise NotSignable(
            "The blobs lie on a file system, and signed addresses need an S3 store.",
            fix="Send the bytes through the API, or set STORAGE_TYPE=s3.",
        )
    return blob_storage()
