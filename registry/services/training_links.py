"""Signed addresses that give the text of a training file to whoever has them, for an hour."""

import hmac
from datetime import datetime, timedelta
from typing import IO
from uuid import UUID

from django.db import transaction

from config.core import clock, keys
from config.core.actors import Actor
from config.core.events import publish
from registry.errors import DownloadLinkInvalid
from registry.events import TrainingFileRead
from registry.models import TrainingFile
from registry.services.training_files import about, open_text

LINK_SECONDS = 3600
LINK_PURPOSE = "training-file-link"


def link(*, file: TrainingFile, actor: Actor) -> tuple[str, datetime]:
    """The query of an address that gives the text to whoever has it, and when it ends."""
    ends_at = clock.now() + timedelta(seconds=LINK_SECONDS)
    expires = int(ends_at.timestamp())
    with transaction.atomic():
        publish(TrainingFileRead(**about(file, actor), reason="an address for it was given out"))
    return f"expires={expires}&signature={_signature(file, expires)}", ends_at


def open_by_link(
    *, uuid: UUID, expires: str, signature: str, actor: Actor
) -> tuple[TrainingFile, IO[bytes]]:
    """The file and its text, for whoever holds an address that is still good.

    Raises:
        DownloadLinkInvalid: the address was changed, has ended, or the file has other bytes now.
        BlobNotFound, BlobDamaged: the store lost the bytes, or changed how they begin.
    """
    rows = TrainingFile.objects.select_related("blob", "avatar__owner")
    file = rows.filter(uuid=uuid, avatar__owner__is_active=True).first()
    is_number = expires.isascii() and expires.isdigit() and len(expires) < 16
    if (
        file is None
        or not is_number
        or not hmac.compare_digest(_signature(file, int(expires)).encode(), signature.encode())
        or int(expires) < clock.now().timestamp()
    ):
        raise DownloadLinkInvalid(
            "This address was changed, has ended, or its file is gone.",
            fix="Ask for a new one: GET /training-data/{user_id}/{avatar_id}/download/{file_name}.",
        )
    text = open_text(file)
    text.peek(1)  # what fails is said before the first byte
    with transaction.atomic():
        publish(TrainingFileRead(**about(file, actor), reason="by its signed address"))
    return file, text


def _signature(file: TrainingFile, expires: int) -> str:
    bound = f"{file.uuid}\n{file.blob_id}\n{file.sha256}\n{expires}"
    return keys.keyed_hash(LINK_PURPOSE, bound.encode()).hex()
