"""Puts the prompt as a JSON object into the bucket that the settings name.

The store's library is imported with the first parcel: workers start without it.
"""

import json
from typing import Any

from deliveries.channels.base import Channel, Parcel, Receipt
from deliveries.domain.delivery_targets import S3Target
from deliveries.domain.modes import Mode
from deliveries.errors import ChannelFailed, ChannelRefused


class S3Channel(Channel):
    """One key a job: a repeated try writes the same object again."""

    mode = Mode.S3

    def deliver(self, parcel: Parcel) -> Receipt:
        """Put the object once."""
        from botocore.exceptions import BotoCoreError, ClientError

        assert isinstance(parcel.target, S3Target)
        bucket = self.means.bucket
        if not bucket.name:
            raise ChannelRefused(
                "No bucket is set for deliveries.", fix="An administrator sets DELIVERY_S3_BUCKET."
            )
        key = "/".join(part for part in (bucket.prefix.strip("/"), f"{parcel.key}.json") if part)
        body = {"prompt": parcel.prompt, "metadata": parcel.target.metadata}
        try:
            self._client().put_object(
                Bucket=bucket.name,
                Key=key,
                Body=json.dumps(body, ensure_ascii=False).encode(),
                ContentType="application/json",
            )
        except ClientError as error:
            code = str(error.response.get("Error", {}).get("Code", ""))[:60]
            raise ChannelFailed(f"The object store refused: {code}.") from error
        except BotoCoreError as error:
            raise ChannelFailed(
                f"The object store does not answer: {type(error).__name__}."
            ) from error
        return Receipt({"uri": f"s3://{bucket.name}/{key}"})

    def _client(self) -> Any:
        import boto3
        from botocore.config import Config

        bucket, seconds = self.means.bucket, self.means.timeout_seconds
        return boto3.client(
            "s3",
            endpoint_url=bucket.endpoint_url or None,
            region_name=bucket.region or None,
            config=Config(
                signature_version="s3v4",
                s3={"addressing_style": "path"},
                connect_timeout=seconds,
                read_timeout=seconds,
                # The job tries again by itself, and notes each try.
                retries={"total_max_attempts": 1},
            ),
        )
