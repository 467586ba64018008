"""The S3 store of the LoRA manager: registered objects, metadata documents, signed previews.

The store's library is imported where the store is asked: no process waits for it at its start.
"""

import os
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import lru_cache
from typing import IO, Any

from django.conf import settings

from config.core.errors import StoreAway
from deliveries.domain.file_refs import S3Object

_ABSENT = frozenset({"404", "NoSuchKey", "NotFound", "NoSuchBucket"})
_REFUSED = frozenset({"403", "AccessDenied"})


class ObjectAbsent(Exception):
    """There is no such object, or our account may not know of it."""


@lru_cache(maxsize=8)
def _client(endpoint: str, region: str, account: str, secret: str) -> Any:
    import boto3
    from botocore.config import Config

    return boto3.client(
        "s3",
        endpoint_url=endpoint or None,
        region_name=region or None,
        aws_access_key_id=account or None,
        aws_secret_access_key=secret or None,
        config=Config(
            signature_version="s3v4",
            s3={"addressing_style": "path"},
            connect_timeout=3,
            read_timeout=20,
            retries={"max_attempts": 2, "mode": "standard"},
            # Not every store knows the newer checksums.
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
        ),
    )


def _current(endpoint: str = "") -> Any:
    # Without an account in the environment boto3 looks for one where it runs (a role, a profile).
    return _client(
        endpoint or settings.METADATA_S3_ENDPOINT,
        settings.METADATA_S3_REGION,
        os.environ.get("AWS_ACCESS_KEY_ID", ""),
        os.environ.get("AWS_SECRET_ACCESS_KEY", ""),
    )


def size_of(found: S3Object) -> int:
    """The size of an object in bytes.

    Raises:
        ObjectAbsent, StoreAway: it is not there; the store does not answer.
    """
    with _named_errors():
        return int(_current().head_object(Bucket=found.bucket, Key=found.key)["ContentLength"])


@contextmanager
def opened(found: S3Object) -> Iterator[IO[bytes]]:
    """An object's bytes, for reading in pieces inside the block.

    Raises:
        ObjectAbsent, StoreAway: it is not there; the store does not answer, or stops to.
    """
    with _named_errors():
        stream = _current().get_object(Bucket=found.bucket, Key=found.key)["Body"]
        with closing(stream):
            yield stream


def put_json(target: S3Object, body: bytes) -> None:
    """Write a JSON document; the same key again replaces it.

    Raises:
        ObjectAbsent, StoreAway: there is no such bucket; the store does not answer.
    """
    with _named_errors():
        _current().put_object(
            Bucket=target.bucket, Key=target.key, Body=body, ContentType="application/json"
        )


def remove(target: S3Object) -> None:
    """Remove an object; one that is not there is no error.

    Raises:
        ObjectAbsent, StoreAway: there is no such bucket; the store does not answer.
    """
    with _named_errors():
        _current().delete_object(Bucket=target.bucket, Key=target.key)


def signed_address(found: S3Object, *, seconds: int) -> str:
    """An address under which anybody may read the object for ``seconds``; nothing is asked.

    Raises:
        StoreAway: we have no account to sign with.
    """
    # Readers outside may know the store under another address than we do.
    with _named_errors():
        address: str = _current(settings.STORE.public_endpoint_url).generate_presigned_url(
            "get_object",
            Params={"Bucket": found.bucket, "Key": found.key},
            ExpiresIn=seconds,
        )
        return address


@contextmanager
def _named_errors() -> Iterator[None]:
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except ClientError as error:
        code = str(error.response.get("Error", {}).get("Code", ""))
        if code in _ABSENT | _REFUSED:
            raise ObjectAbsent(code) from error
        raise StoreAway(
            f"The object store refused: {code[:60]}.", fix="Look at the store's state and account."
        ) from error
    except BotoCoreError as error:
        raise StoreAway(
            f"The object store does not answer ({type(error).__name__}).",
            fix="Try again later; if it lasts, look at S3_ENDPOINT_URL.",
            retry_after_seconds=30,
        ) from error
