"""Reads checkpoints: files of the folder outside the database."""

from dataclasses import dataclass
from pathlib import Path

from django.conf import settings

from compliance.domain.signed_note import NoteUnreadable, TreeHead, is_signed_by, parse
from compliance.errors import CheckpointUnreadable
from config.core import keys


@dataclass(frozen=True)
class CheckpointFile:
    """A checkpoint as read from a file, and whether the log key signed it."""

    path: Path
    head: TreeHead
    is_signed: bool


def origin() -> str:
    """The name of this log, which is also the name of its key."""
    return f"formulary/audit/{keys.key_id(keys.log_key().public_key())}"


def newest_file() -> Path | None:
    """The file of the largest checkpoint in the folder, or None."""
    files = Path(settings.CHECKPOINT_FOLDER).glob("*/[0-9]*.txt")
    return max(files, key=lambda path: (path.stem, path.parent.name), default=None)


def read_file(path: Path) -> CheckpointFile:
    """The checkpoint in a file.

    Raises:
        CheckpointUnreadable: there is no such file, or it is no signed note.
    """
    try:
        note = path.read_text(encoding="utf-8")
        head = parse(note)[0]
        is_signed = is_signed_by(note, public=keys.log_key().public_key())
    except (OSError, UnicodeDecodeError, NoteUnreadable) as error:
        raise CheckpointUnreadable(
            f"{path} is no checkpoint: {error}",
            fix="Name a file that this installation wrote into its checkpoint folder.",
        ) from error
    return CheckpointFile(path, head, is_signed)
