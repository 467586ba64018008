"""Signed addresses of an avatar's backups, where the store gives such."""

from collections.abc import Iterable, Mapping

from django.conf import settings
from django.db import transaction

from config.core import object_store
from config.core.actors import Actor
from config.core.events import publish
from registry.models import Avatar, AvatarBackup
from registry.services.direct_uploads import SignedUrl
from registry.storage_events import UrlSigned


def sign(
    *, avatar: Avatar, backups: Iterable[AvatarBackup], actor: Actor
) -> Mapping[int, SignedUrl]:
    """Backup's key → an address that gives its ZIP to whoever has it, for PRESIGNED_URL_SECONDS.

    Empty on a file system, which gives none. One audit event tells how many were given out.
    """
    if not object_store.is_s3():
        return {}
    seconds = settings.STORE.presigned_seconds
    ends_at = object_store.expiry(seconds)
    name = f"adapter_{avatar.owner.username}_{avatar.name}.zip"
    signed = {
        backup.pk: SignedUrl(
            object_store.download_url(
                backup.blob.key,
                file_name=name,
                content_type="application/zip",
                expires_seconds=seconds,
            ),
            "GET",
            ends_at,
            backup.blob.size_bytes,
        )
        for backup in backups
    }
    if signed:
        with transaction.atomic():
            publish(
                UrlSigned(
                    actor=actor,
                    object_type="avatar",
                    object_id=str(avatar.uuid),
                    diff={
                        "method": [None, "GET"],
                        "addresses": [None, len(signed)],
                        "expires_at": [None, ends_at.isoformat()],
                    },
                    reason="addresses of its backups",
                )
            )
    return signed
