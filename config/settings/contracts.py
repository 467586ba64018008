"""The source contracts: LoRA manager, metadata, SageMaker."""

from pathlib import Path

import environ

from deliveries.domain.composing import NullOrdinal
from deliveries.domain.token_format import TokenFormat

from .house import FORMULARY_HOME, env
from .storage import STORE

# The LoRA manager: files that entries may name, how prompts are composed, where metadata goes.
LORA_FILE_ROOTS = [
    Path(root) for root in env.list("LORA_FILE_ROOTS", default=[]) or [FORMULARY_HOME / "loras"]
]
if not all(root.is_absolute() for root in LORA_FILE_ROOTS):
    raise environ.ImproperlyConfigured("LORA_FILE_ROOTS must hold absolute folders")
# With STORAGE_TYPE=s3; empty: the blobs' own bucket.
LORA_S3_BUCKETS = env.list("LORA_S3_BUCKETS", default=[])
# Larger files are hashed by a worker; the request is answered with 202.
LORA_HASH_AT_ONCE_BYTES = env.int("LORA_HASH_AT_ONCE_BYTES", default=256 * 1024**2)
COMPOSE_NULL_ORDINAL = env.str("COMPOSE_NULL_ORDINAL", default="last")
if COMPOSE_NULL_ORDINAL not in set(NullOrdinal):
    raise environ.ImproperlyConfigured(
        f"COMPOSE_NULL_ORDINAL is {COMPOSE_NULL_ORDINAL!r}: last or zero"
    )
COMPOSE_TOKEN_FORMAT = env.str("COMPOSE_TOKEN_FORMAT", default="<lora:{name}:{weight:.3f}>")
try:
    TokenFormat.parse(COMPOSE_TOKEN_FORMAT)
except ValueError as _error:
    raise environ.ImproperlyConfigured(f"COMPOSE_TOKEN_FORMAT: {_error}") from None
COMPOSE_RATE_PER_MINUTE = env.int("COMPOSE_RATE_PER_MINUTE", default=600)
if COMPOSE_RATE_PER_MINUTE < 1:
    raise environ.ImproperlyConfigured("COMPOSE_RATE_PER_MINUTE must be 1 or more")
METADATA_SYNC = env.bool("METADATA_SYNC", default=False)
METADATA_STORAGE = env.str("METADATA_STORAGE", default="s3")
if METADATA_STORAGE != "s3":
    raise environ.ImproperlyConfigured(f"METADATA_STORAGE is {METADATA_STORAGE!r}: s3 alone")
METADATA_BUCKET = env.str("METADATA_BUCKET", default="lora-metadata")
METADATA_PREFIX = env.str("METADATA_PREFIX", default="metadata")
METADATA_S3_ENDPOINT = STORE.endpoint_url
METADATA_S3_REGION = STORE.region
# How long the signed address of a preview holds; a week is the most that S3 allows.
METADATA_PREVIEW_SECONDS = env.int("METADATA_PREVIEW_SECONDS", default=7 * 24 * 3600)
if not 1 <= METADATA_PREVIEW_SECONDS <= 7 * 24 * 3600:
    raise environ.ImproperlyConfigured("METADATA_PREVIEW_SECONDS must be 1 to 604800")
CIVITAI_VALIDATE_URL = env.str("CIVITAI_VALIDATE_URL", default="")
CIVITAI_API_KEY = env.str("CIVITAI_API_KEY", default="")
# Of one question, from resolving the name to the last byte of the answer.
CIVITAI_TIMEOUT_SECONDS = env.float("CIVITAI_TIMEOUT_SECONDS", default=30.0)
if CIVITAI_VALIDATE_URL and not CIVITAI_API_KEY:
    raise environ.ImproperlyConfigured("CIVITAI_VALIDATE_URL is set and CIVITAI_API_KEY is not")

# How long POST /adapters waits until what it registers is loaded; 0: it answers 202 at once.
SAGEMAKER_REGISTER_WAIT_SECONDS = env.float("SAGEMAKER_REGISTER_WAIT_SECONDS", default=30.0)

# In whose name serving.lifecycle acts where the program names nobody.
LIFECYCLE_USER = env.str("LIFECYCLE_USER", default="")
