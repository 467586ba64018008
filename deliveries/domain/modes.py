"""How a prompt leaves the house."""

from enum import StrEnum


class Mode(StrEnum):
    """One channel each."""

    HTTP = "http"
    CLI = "cli"
    S3 = "s3"
    WEBHOOK = "webhook"
