"""What is in the ZIP of an avatar's adapter: its version's files, or how it would be trained."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from config.accounts.models import User
from config.core import storage
from registry import avatar_selectors, selectors
from registry.domain.avatars import BACKUP_METADATA, backup_metadata, lora_config
from registry.domain.packages import CONFIG_FILE
from registry.domain.training_parameters import TrainingParameters
from registry.domain.zip_streams import ZipMember, zip_pieces
from registry.models import Avatar, Blob, Version
from registry.services import blobs


@dataclass(frozen=True, kw_only=True)
class Archive:
    """A ZIP that is written while it is read; once."""

    version: Version | None
    file_count: int
    files_bytes: int
    pieces: Iterator[bytes]


def build(*, avatar: Avatar, owner: User, reason: str, at: datetime) -> Archive:
    """The archive of the avatar's adapter as it is now, trained or not.

    Raises:
        AvatarNotFound: the avatar has no adapter.
        BlobNotFound: the store lost a file; said before the first byte.
    """
    if avatar.adapter is None:
        raise avatar_selectors.no_avatar()
    version = avatar_selectors.current_version(avatar)
    members = _config_member(avatar) if version is None else _members_of(version)
    count = len(members)
    size_bytes = sum(member.size_bytes for member in members)
    if all(member.path != BACKUP_METADATA for member in members):
        said = backup_metadata(
            reason=reason,
            user=owner.username,
            avatar=avatar.name,
            at=at,
            file_count=count,
            files_bytes=size_bytes,
        )
        members.append(_json_member(BACKUP_METADATA, said))
    return Archive(
        version=version, file_count=count, files_bytes=size_bytes, pieces=zip_pieces(members)
    )


def _members_of(version: Version) -> list[ZipMember]:
    files = selectors.files_of(version)
    for file in files:
        blobs.require_stored(file.blob)
    return [ZipMember(file.path, file.blob.size_bytes, _Bytes(file.blob)) for file in files]


def _config_member(avatar: Avatar) -> list[ZipMember]:
    parameters = TrainingParameters.parse(avatar.configuration)
    base = avatar.adapter.base_model.slug if avatar.adapter else ""
    return [_json_member(CONFIG_FILE, lora_config(parameters, base_name=base))]


def _json_member(path: str, value: object) -> ZipMember:
    data = json.dumps(value, ensure_ascii=False, indent=2).encode()
    return ZipMember(path, len(data), [data])


class _Bytes:
    """A blob that is opened when its turn comes."""

    def __init__(self, blob: Blob) -> None:
        self._blob = blob

    def __iter__(self) -> Iterator[bytes]:
        with blobs.stream(self._blob) as stream:
            yield from storage.pieces_of(stream)
