"""What this installation gives its channels, read from the settings."""

from django.conf import settings

from config.core import egress
from deliveries.channels.base import Bucket, Means

MAX_ANSWER_BYTES = 1024**2


def current() -> Means:
    """The means as they are set now."""
    return Means(
        egress=egress.current(),
        commands=settings.DELIVERY_COMMANDS,
        prompt_folder=settings.FORMULARY_HOME / "prompts",
        bucket=Bucket(
            name=settings.DELIVERY_S3_BUCKET,
            prefix=settings.DELIVERY_S3_PREFIX,
            endpoint_url=settings.METADATA_S3_ENDPOINT,
            region=settings.METADATA_S3_REGION,
        ),
        timeout_seconds=settings.DELIVERY_TIMEOUT_SECONDS,
        max_answer_bytes=MAX_ANSWER_BYTES,
    )
