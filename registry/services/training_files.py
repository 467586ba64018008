"""Stores texts to train with, sealed; flags, opens and deletes them."""

import hashlib
import io
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import IO, Any

from django.db import transaction

from config.accounts.models import User
from config.core import clock, keys
from config.core.actors import Actor
from config.core.events import publish
from config.core.storage import pieces_of
from registry import avatar_selectors as selectors
from registry.domain.avatars import MAX_FILES, check_avatar_name, fault_of_file_name
from registry.domain.packages import printable
from registry.domain.sealed_streams import SealBroken, new_key, seal, unseal
from registry.errors import BlobDamaged, TrainingFileInvalid
from registry.events import (
    TrainingFileDeleted,
    TrainingFileFlagged,
    TrainingFileScanned,
    TrainingFileStored,
)
from registry.models import Avatar, Blob, ScanState, TrainingFile
from registry.services import avatars, blobs, flag_files, training_holds


@dataclass(frozen=True)
class GivenText:
    """A file as it was sent; ``open`` gives its bytes from the start."""

    name: str
    size_bytes: int
    open: Callable[[], IO[bytes]]


@dataclass(frozen=True)
class _Sealed:
    name: str
    blob: Blob
    key: bytes
    sha256: str
    size_bytes: int


def upload(
    *,
    owner: User,
    avatar_name: str,
    files: Sequence[GivenText],
    use_for_training: bool,
    actor: Actor,
) -> tuple[Avatar, list[TrainingFile]]:
    """Store the files, all or none, and begin the avatar where it is missing.

    A name that is there gets the new bytes and must be scanned anew.

    Raises:
        AvatarInvalid: the avatar can't have this name.
        TrainingFileInvalid: a name, a kind or a size is not taken; ``errors`` has each.
        TrainingFileHeld: a file that would be replaced is under a legal hold.
    """
    check_avatar_name(avatar_name)
    _check(files)
    sealed = [_store(file) for file in files]
    with transaction.atomic():
        avatar = avatars.open(owner=owner, name=avatar_name, actor=actor)
        _check_room(avatar, sealed)
        rows = [_record(avatar, file, use_for_training, actor) for file in sealed]
        flag_files.raise_revision(avatar)
    return avatar, rows


def set_flag(*, avatar: Avatar, name: str, use_for_training: bool, actor: Actor) -> TrainingFile:
    """Say whether a file is to be trained with.

    Raises:
        TrainingFileNotFound: the avatar has no such file.
    """
    with transaction.atomic():
        _lock(avatar)
        row = selectors.file_of(avatar, name)
        if row.use_for_training != use_for_training:
            TrainingFile.objects.filter(pk=row.pk).update(use_for_training=use_for_training)
            diff = {"use_for_training": [row.use_for_training, use_for_training]}
            row.use_for_training = use_for_training
            flag_files.raise_revision(avatar)
            publish(TrainingFileFlagged(**about(row, actor), diff=diff))
    return row


def delete(*, avatar: Avatar, name: str, actor: Actor) -> None:
    """Delete one file; its bytes can't be opened by anybody from now on.

    Raises:
        TrainingFileNotFound: the avatar has no such file.
        TrainingFileHeld: it is under a legal hold.
    """
    with transaction.atomic():
        _lock(avatar)
        _delete([selectors.file_of(avatar, name)], avatar, actor)


def delete_unflagged(*, avatar: Avatar, actor: Actor) -> list[str]:
    """Delete every file that is not flagged for training; returns their names.

    Raises:
        TrainingFileHeld: one of them is under a legal hold; none is deleted.
    """
    with transaction.atomic():
        _lock(avatar)
        rows = list(selectors.files_of(avatar, flagged=False).select_related("blob"))
        _delete(rows, avatar, actor)
    return [row.name for row in rows]


def open_text(file: TrainingFile) -> io.BufferedReader:
    """The plain text, read and unsealed piece by piece.

    Reading raises BlobDamaged where the stored bytes are not what was sealed.

    Raises:
        BlobNotFound: the store lost the bytes.
    """
    stored = blobs.stream(file.blob)
    key = bytes.fromhex(keys.decrypt(bytes(file.key_encrypted)))
    return io.BufferedReader(_Unsealed(stored, key, file.blob.sha256))


def record_scan(
    *, file: TrainingFile, state: ScanState, findings: Sequence[dict[str, Any]], actor: Actor
) -> bool:
    """Write what a scan of these very bytes said; False where the file has other bytes now.

    ``findings`` hold codes and places, never text.
    """
    with transaction.atomic():
        rows = TrainingFile.objects.filter(pk=file.pk, sha256=file.sha256, blob=file.blob_id)
        if not rows.update(scan_state=state, scan_findings=list(findings)):
            return False
        diff: dict[str, list[Any]] = {
            "scan_state": [file.scan_state, str(state)],
            "findings": [None, len(findings)],
        }
        publish(TrainingFileScanned(**about(file, actor), file_id=file.pk, diff=diff))
    file.scan_state = state
    return True


def _check(files: Sequence[GivenText]) -> None:
    errors = []
    seen: set[str] = set()
    for number, file in enumerate(files, 1):
        why = fault_of_file_name(file.name)
        if not why and file.name in seen:
            why = "is sent twice"
        if not why and not file.size_bytes:
            why = "is empty"
        seen.add(file.name)
        if why:
            errors.append({"file": number, "message": f"File {number} of the request {why}."})
    if not files:
        errors.append({"file": 0, "message": "The request holds no file."})
    if errors:
        raise TrainingFileInvalid(
            str(errors[0]["message"]),
            fix="Send .txt, .json, .jsonl or .csv files in the multipart field file or files.",
            errors=errors,
        )


def _check_room(avatar: Avatar, sealed: Sequence[_Sealed]) -> None:
    others = selectors.files_of(avatar).exclude(name__in=[file.name for file in sealed]).count()
    if others + len(sealed) > MAX_FILES:
        raise TrainingFileInvalid(
            f"An avatar has at most {MAX_FILES} training files.",
            fix="Put several texts into one .jsonl file, or delete files that are not used.",
        )


def _store(file: GivenText) -> _Sealed:
    key, digest, size_bytes = new_key(), hashlib.sha256(), 0

    def counted(stream: IO[bytes]) -> Iterator[bytes]:
        nonlocal size_bytes
        for piece in pieces_of(stream):
            digest.update(piece)
            size_bytes += len(piece)
            yield piece

    with file.open() as stream:
        blob = blobs.store_pieces(seal(counted(stream), key))
    return _Sealed(file.name, blob, key, digest.hexdigest(), size_bytes)


def _record(avatar: Avatar, file: _Sealed, use_for_training: bool, actor: Actor) -> TrainingFile:
    old = TrainingFile.objects.select_related("blob").filter(avatar=avatar, name=file.name).first()
    if old is not None:
        training_holds.refuse_held([old])
    row, _ = TrainingFile.objects.update_or_create(
        avatar=avatar,
        name=file.name,
        defaults={
            "blob": file.blob,
            "key_encrypted": keys.encrypt(file.key.hex()),
            "sha256": file.sha256,
            "size_bytes": file.size_bytes,
            "use_for_training": use_for_training,
            "scan_state": ScanState.UNSCANNED,
            "scan_findings": [],
            "uploaded_at": clock.now(),
        },
    )
    publish(
        TrainingFileStored(
            **about(row, actor),
            file_id=row.pk,
            diff={
                "sha256": [old.sha256 if old else None, row.sha256],
                "size_bytes": [old.size_bytes if old else None, row.size_bytes],
                "use_for_training": [old.use_for_training if old else None, use_for_training],
            },
        )
    )
    return row


def _delete(rows: Sequence[TrainingFile], avatar: Avatar, actor: Actor) -> None:
    if not rows:
        return
    training_holds.refuse_held(rows)
    TrainingFile.objects.filter(pk__in=[row.pk for row in rows]).delete()
    flag_files.raise_revision(avatar)
    for row in rows:
        publish(TrainingFileDeleted(**about(row, actor), diff={"sha256": [row.sha256, None]}))


def _lock(avatar: Avatar) -> None:
    """Nobody else changes the avatar's files until the transaction ends.

    Raises:
        AvatarNotFound: it was deleted at this moment.
    """
    rows = Avatar.objects.select_for_update(no_key=True).filter(
        pk=avatar.pk, deleted_at__isnull=True
    )
    if rows.first() is None:
        raise selectors.no_avatar()


def about(file: TrainingFile, actor: Actor) -> dict[str, Any]:
    """What an event says of a file: by its id, because its name may be a patient's."""
    return {"actor": actor, "object_type": "training_file", "object_id": str(file.uuid)}


class _Unsealed(io.RawIOBase):
    """The text of sealed bytes, as a stream."""

    def __init__(self, stored: IO[bytes], key: bytes, name: str) -> None:
        self._stored = stored
        self._pieces = unseal(pieces_of(stored), key)
        self._left = b""
        self._name = name

    def readable(self) -> bool:
        return True

    def readinto(self, target: Any) -> int:
        try:
            while not self._left:
                piece = next(self._pieces, None)
                if piece is None:
                    return 0
                self._left = piece
        except SealBroken as error:
            raise BlobDamaged(
                f"The bytes stored under {printable(self._name)} are not what was sealed.",
                fix="Upload the training file again.",
            ) from error
        size = min(len(target), len(self._left))
        target[:size], self._left = self._left[:size], self._left[size:]
        return size

    def close(self) -> None:
        self._stored.close()
        super().close()
