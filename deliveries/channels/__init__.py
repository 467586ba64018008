"""Channels: one class a file behind ``base.Channel``, listed here by the mode that they carry."""

from collections.abc import Mapping

from deliveries.channels.base import Channel, Means
from deliveries.channels.cli import CliChannel
from deliveries.channels.http import HttpChannel
from deliveries.channels.s3 import S3Channel
from deliveries.channels.webhook import WebhookChannel
from deliveries.domain.modes import Mode

CHANNELS: Mapping[Mode, type[Channel]] = {
    Mode.HTTP: HttpChannel,
    Mode.CLI: CliChannel,
    Mode.S3: S3Channel,
    Mode.WEBHOOK: WebhookChannel,
}


def channel(mode: Mode, means: Means) -> Channel:
    """The channel of ``mode``, with what this installation gives it."""
    return CHANNELS[mode](means)
