"""Backups of the caller's own avatars: make, list, restore, and where all stands."""

from typing import Any

from django.http import HttpRequest
from django.utils.datastructures import MultiValueDict
from drf_spectacular.utils import extend_schema
from rest_framework.parsers import BaseParser
from rest_framework.request import Request
from rest_framework.response import Response

from config.accounts.permissions import needs
from config.accounts.roles import Act
from config.core import store_probe
from config.core.parsers import StrictJSONParser
from config.core.uploaded import stream_of
from registry import avatar_selectors as selectors
from registry.domain.avatars import AvatarKeys
from registry.models import AvatarBackup
from registry.services import avatar_backups, backup_addresses
from registry.services.direct_uploads import SignedUrl

from .avatar_base import AvatarView, errors
from .avatar_serializers import (
    BackupListSerializer,
    BackupMadeSerializer,
    PersistenceStatusSerializer,
    RestoreArchiveSerializer,
    RestoredSerializer,
    RestoreRequestSerializer,
)
from .uploads import PackageParser, take_unannounced_body

# Addresses that need no account stay in no cache.
NO_STORE = {"Cache-Control": "no-store"}


class BackUp(AvatarView):
    """A new backup."""

    permission_classes = [needs(Act.SUBMIT, reading=Act.SUBMIT)]
    is_answer_kept = False  # who has the address has the adapter

    @extend_schema(
        operation_id="avatar_backup",
        request=None,
        responses={200: BackupMadeSerializer, **errors(409, 413, 415, 422, 507)},
    )
    def post(self, request: Request, avatar_id: str) -> Response:
        """Store a ZIP of the adapter as it is now."""
        avatar = self.avatar(avatar_id)
        backup = avatar_backups.back_up(
            avatar=avatar, reason=AvatarBackup.Reason.ASKED, actor=self.actor
        )
        urls = backup_addresses.sign(avatar=avatar, backups=[backup], actor=self.actor)
        said = {
            "status": "backed_up",
            "backup": _backup(backup, self.keys(avatar_id), urls.get(backup.pk)),
        }
        body = BackupMadeSerializer(self.named(avatar_id) | said).data
        return Response(body, headers=NO_STORE)


class Restore(AvatarView):
    """An adapter made again what a backup holds."""

    permission_classes = [needs(Act.SUBMIT, reading=Act.SUBMIT)]
    parser_classes: list[type[BaseParser]] = [StrictJSONParser, PackageParser]

    def initialize_request(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Request:
        """Accept uploads of unknown length too."""
        take_unannounced_body(request)
        return super().initialize_request(request, *args, **kwargs)

    @extend_schema(
        operation_id="avatar_restore",
        request={
            "application/json": RestoreRequestSerializer,
            "multipart/form-data": RestoreArchiveSerializer,
        },
        responses={200: RestoredSerializer, **errors(409, 413, 415, 422, 507)},
    )
    def post(self, request: Request, avatar_id: str) -> Response:
        """From the backup that is named, else the newest; or from a ZIP that is sent."""
        avatar = self.avatar(avatar_id)
        backup, archive = None, None
        if isinstance(request.data, MultiValueDict):
            sent = RestoreArchiveSerializer(data={"file": request.FILES.get("file")})
            sent.is_valid(raise_exception=True)
            archive = stream_of(sent.validated_data["file"])
        else:
            wanted = RestoreRequestSerializer(data=request.data)
            wanted.is_valid(raise_exception=True)
            backup = selectors.backup_of(avatar, wanted.validated_data.get("backup_id"))
        restored = avatar_backups.restore(
            avatar=avatar, user=self.user, actor=self.actor, backup=backup, archive=archive
        )
        version = restored.version
        said = {
            "status": "restored",
            "adapter_status": selectors.state_of(self.avatar(avatar_id)).status,
            "version": version.version_name if version else None,
            "is_new_version": restored.is_new_version,
        }
        return Response(RestoredSerializer(self.named(avatar_id) | said).data)


class Backups(AvatarView):
    """The backups of an avatar."""

    permission_classes = [needs(Act.SUBMIT, reading=Act.SUBMIT)]

    @extend_schema(
        operation_id="avatar_backups_list", responses={200: BackupListSerializer, **errors()}
    )
    def get(self, request: Request, avatar_id: str) -> Response:
        """Newest first, with signed addresses where the store gives such."""
        avatar = self.avatar(avatar_id)
        rows = list(selectors.backups_of(avatar))
        urls = backup_addresses.sign(avatar=avatar, backups=rows, actor=self.actor)
        backups = [_backup(row, self.keys(avatar_id), urls.get(row.pk)) for row in rows]
        said = {"backups": backups, "total": len(backups)}
        body = BackupListSerializer(self.named(avatar_id) | said).data
        return Response(body, headers=NO_STORE)


class PersistenceStatus(AvatarView):
    """Where an avatar's backups stand."""

    permission_classes = [needs(Act.SUBMIT, reading=Act.SUBMIT)]

    @extend_schema(
        operation_id="avatar_persistence_status",
        responses={200: PersistenceStatusSerializer, **errors()},
    )
    def get(self, request: Request, avatar_id: str) -> Response:
        """State of the adapter, of its backups, and of the store, which is asked now."""
        avatar = self.avatar(avatar_id)
        state = selectors.state_of(avatar)
        store = store_probe.probe()
        backups = selectors.backups_of(avatar).count()
        said = {
            "status": state.status,
            "s3_status": "connected" if store.is_writable else "unavailable",
            "store": {"is_reachable": store.is_reachable, "is_writable": store.is_writable},
            "has_backup": backups > 0,
            "backup_count": backups,
            "last_backup_at": state.last_backup_at,
            "is_flags_file_current": avatar.flags_written >= avatar.flags_revision,
        }
        return Response(PersistenceStatusSerializer(self.named(avatar_id) | said).data)


def _backup(row: AvatarBackup, keys: AvatarKeys, signed: SignedUrl | None) -> dict[str, Any]:
    return {
        "backup_id": row.uuid,
        "backup_type": row.reason,
        "backup_timestamp": row.created_at,
        "file_count": row.file_count,
        "backup_size_bytes": row.files_bytes,
        "sha256": row.blob.sha256,
        "version": row.version.version_name if row.version else None,
        "s3_key": keys.backup,
        "download_url": signed.url if signed else None,
        "expires_at": signed.expires_at if signed else None,
    }
