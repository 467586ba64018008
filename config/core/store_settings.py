"""Where bytes and records are kept: every spelling of these settings, read in one place."""

from dataclasses import dataclass
from typing import Any

import environ

DEFAULT_BUCKET = "modelguard-artifacts"
DEFAULT_REGION = "us-east-1"
DEFAULT_TABLE = "ModelGuard-Models"
FILESYSTEM = frozenset({"filesystem", "local"})
MAX_URL_SECONDS = 7 * 24 * 3600


@dataclass(frozen=True, kw_only=True)
class StoreSettings:
    """The store of blobs and the mirror of records; ``endpoint_url`` empty: Amazon's own.

    ``public_endpoint_url``: what presigned addresses begin with where clients reach the store under
    another name. ``has_contract_keys``: objects lie under their contract keys too.
    """

    is_s3: bool
    bucket: str
    region: str
    endpoint_url: str
    public_endpoint_url: str
    has_contract_keys: bool
    presigned_seconds: int
    is_mirrored: bool
    table: str
    table_endpoint_url: str

    def as_django(self) -> dict[str, Any]:
        """The S3 store as an entry of Django's STORAGES."""
        # The AWS library takes a while to import and is needed with S3 alone.
        from botocore.config import Config

        return {
            "BACKEND": "config.core.s3_storage.SharedS3Storage",
            "OPTIONS": {
                "bucket_name": self.bucket,
                "endpoint_url": self.endpoint_url or None,
                "region_name": self.region,
                "file_overwrite": True,
                # 0, the library's default, would hold every file that is read in memory.
                "max_memory_size": 4 * 1024**2,
                "client_config": Config(
                    signature_version="s3v4",
                    s3={"addressing_style": "path"},
                    # All threads share one client; more connections than this are not kept.
                    max_pool_connections=50,
                    connect_timeout=5,
                    read_timeout=60,
                    retries={"max_attempts": 3, "mode": "standard"},
                    # Our own digests are what counts; not every store knows the newer checksums.
                    request_checksum_calculation="when_required",
                    response_checksum_validation="when_required",
                ),
            },
        }


def read(env: environ.Env) -> StoreSettings:
    """The settings; of several spellings the most particular one counts.

    Raises:
        ImproperlyConfigured: a value is unknown, or two of them contradict each other.
    """
    kind = env.str("STORAGE_TYPE", default="filesystem")
    if kind != "s3" and kind not in FILESYSTEM:
        raise _wrong("STORAGE_TYPE", kind, "filesystem (or local) or s3")
    found = StoreSettings(
        is_s3=kind == "s3",
        bucket=env.str("ARTIFACT_S3_BUCKET", default="")
        or env.str("S3_BUCKET", default="")
        or env.str("S3_BUCKET_NAME", default="")
        or DEFAULT_BUCKET,
        region=env.str("S3_REGION", default="")
        or env.str("AWS_REGION", default="")
        or DEFAULT_REGION,
        endpoint_url=_one_of(
            S3_ENDPOINT_URL=env.str("S3_ENDPOINT_URL", default=""),
            S3_ENDPOINT=env.str("S3_ENDPOINT", default=""),
        ),
        public_endpoint_url=env.str("S3_PUBLIC_ENDPOINT_URL", default=""),
        has_contract_keys=_choice(env.str("STORAGE_LAYOUT", default="digest")),
        presigned_seconds=env.int("PRESIGNED_URL_SECONDS", default=3600),
        is_mirrored=_mirrored(env.str("RECORD_STORE", default="database")),
        table=env.str("DYNAMODB_TABLE", default="") or DEFAULT_TABLE,
        table_endpoint_url=env.str("DYNAMODB_ENDPOINT_URL", default=""),
    )
    _refuse_contradictions(found, has_table=bool(env.str("DYNAMODB_TABLE", default="")))
    account = bool(env.str("AWS_ACCESS_KEY_ID", default=""))
    if account != bool(env.str("AWS_SECRET_ACCESS_KEY", default="")):
        raise environ.ImproperlyConfigured(
            "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are set together or not at all"
        )
    return found


def _refuse_contradictions(found: StoreSettings, *, has_table: bool) -> None:
    if found.has_contract_keys and not found.is_s3:
        raise environ.ImproperlyConfigured(
            "STORAGE_LAYOUT is contract, which puts objects into a bucket: set STORAGE_TYPE=s3"
        )
    if found.is_mirrored and not has_table:
        raise environ.ImproperlyConfigured(
            "RECORD_STORE is dynamodb and DYNAMODB_TABLE is not set: name the table"
        )
    if not 1 <= found.presigned_seconds <= MAX_URL_SECONDS:
        raise _wrong("PRESIGNED_URL_SECONDS", found.presigned_seconds, "1 to 604800, a week")


def _choice(layout: str) -> bool:
    if layout not in {"digest", "contract"}:
        raise _wrong("STORAGE_LAYOUT", layout, "digest or contract")
    return layout == "contract"


def _mirrored(store: str) -> bool:
    if store not in {"database", "dynamodb"}:
        raise _wrong("RECORD_STORE", store, "database or dynamodb")
    return store == "dynamodb"


def _one_of(**spellings: str) -> str:
    given = {value.rstrip("/") for value in spellings.values() if value}
    if len(given) > 1:
        raise environ.ImproperlyConfigured(
            f"{' and '.join(spellings)} are set and differ; set one of them"
        )
    return given.pop() if given else ""


def _wrong(key: str, value: object, allowed: str) -> environ.ImproperlyConfigured:
    return environ.ImproperlyConfigured(f"{key} is {value!r}: {allowed}")
