"""Rules of avatars: names, keys in the store, states, what training is recommended."""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any
from urllib.parse import quote

from config.core.errors import DomainError
from registry.domain.peft import parse_config
from registry.domain.training_data import KINDS
from registry.domain.training_parameters import TrainingParameters
from registry.errors import AvatarInvalid

AVATAR_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,61}[A-Za-z0-9])?")
NAMESPACE_PREFIX = "user-"
MAX_SLUG = 63
MAX_FILE_NAME = 200
MAX_FILES = 10_000
MAX_PART = 200
# Words that stand where a file's name stands in the contract's addresses.
RESERVED_FILE_NAMES = frozenset({"non-training-files"})
BACKUP_METADATA = "backup_metadata.json"
BACKUP_NAME = "adapter_backup.zip"
MB = 1 << 20


class AvatarStatus(StrEnum):
    """Where an avatar's adapter stands; derived, stored nowhere."""

    UNTRAINED = "untrained"
    TRAINING = "training"
    TRAINED = "trained"
    TRAINING_FAILED = "training_failed"


def check_avatar_name(name: str) -> None:
    """Refuse a name that could not stand in an address, a key and a file name.

    Raises:
        AvatarInvalid: saying what names may hold.
    """
    if not AVATAR_NAME.fullmatch(name):
        raise AvatarInvalid(
            f"{name[:80]!r} can't be the name of an avatar.",
            fix="Names have letters, digits, dot, hyphen and underscore, begin and end with a "
            "letter or digit, and have at most 63 characters.",
        )


def fault_of_file_name(name: str) -> str:
    """Why a training file can't have this name; empty if it can."""
    if name in RESERVED_FILE_NAMES:
        return "is a word of the addresses"
    if not 0 < len(name) <= MAX_FILE_NAME:
        return f"must have 1 to {MAX_FILE_NAME} characters"
    if "/" in name or "\\" in name:
        return "holds a slash"
    if not name.isprintable() or name != name.strip():
        return "holds a control character, or begins or ends with a space"
    stem, dot, kind = name.rpartition(".")
    if not dot or not stem.strip(".") or kind.lower() not in KINDS:
        return f"must end with one of {', '.join(f'.{kind}' for kind in KINDS)}"
    return ""


def namespace_of(username: str) -> str:
    """The namespace of an account's adapters: ``user-anna``; other spellings get a hash."""
    return NAMESPACE_PREFIX + _slug(username, MAX_SLUG - len(NAMESPACE_PREFIX))


def slug_of(avatar: str, number: int = 1) -> str:
    """The slug of an avatar's adapter; ``number`` above 1 for the ones after a deleted one."""
    tail = f"-{number}" if number > 1 else ""
    return _slug(avatar, MAX_SLUG - len(tail)) + tail


def _slug(text: str, size: int) -> str:
    """``text`` itself where it is a slug, else what is left of it with a hash of the whole."""
    plain = re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")
    if plain == text and len(plain) <= size:
        return plain
    digest = hashlib.sha256(text.encode()).hexdigest()[:8]
    return f"{plain[: size - 9].strip('-')}-{digest}".strip("-")


@dataclass(frozen=True)
class AvatarKeys:
    """The logical names of what an avatar has, as outside readers of the store know them."""

    user: str
    avatar: str

    @property
    def adapters(self) -> str:
        """Everything of the adapter lies below."""
        return f"users/{_part(self.user)}/avatars/{_part(self.avatar)}/adapters/"

    @property
    def backup(self) -> str:
        """The newest ZIP."""
        return f"{self.adapters}{BACKUP_NAME}"

    @property
    def flags(self) -> str:
        """The flags file: ``{file: bool}``."""
        return f"{self.adapters}metadata/metadata.json"

    def training_file(self, name: str) -> str:
        """One training file."""
        return f"{self.adapters}training_data/{_part(name)}"


def _part(text: str) -> str:
    """``text`` as one part of a key: no slash, never ``.`` or ``..``, not too long for a disk."""
    if set(text) <= {"."}:
        return text.replace(".", "%2E")
    part = quote(text, safe="@+ ")
    return part if len(part) <= MAX_PART else hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True, kw_only=True)
class Recommendation:
    """Parameters that suit an amount of data."""

    num_epochs: int
    learning_rate: float
    batch_size: int
    gradient_accumulation_steps: int


_BY_SIZE = (
    (1 * MB, Recommendation(num_epochs=5, learning_rate=1e-4, batch_size=2,
                            gradient_accumulation_steps=8)),
    (10 * MB, Recommendation(num_epochs=4, learning_rate=2e-4, batch_size=4,
                             gradient_accumulation_steps=4)),
    (50 * MB, Recommendation(num_epochs=3, learning_rate=3e-4, batch_size=8,
                             gradient_accumulation_steps=2)),
)  # fmt: skip
_FOR_MORE = Recommendation(
    num_epochs=2, learning_rate=5e-4, batch_size=16, gradient_accumulation_steps=1
)


def recommend(data_bytes: int) -> Recommendation:
    """Parameters for so many bytes of flagged data: below 1, 10, 50 MB, or more."""
    return next((found for below, found in _BY_SIZE if data_bytes < below), _FOR_MORE)


def lora_config(parameters: TrainingParameters, *, base_name: str) -> dict[str, Any]:
    """The adapter_config.json from which training begins: the whole of an untrained adapter."""
    return {
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "base_model_name_or_path": base_name,
        "r": parameters.lora_r,
        "lora_alpha": parameters.lora_alpha,
        "lora_dropout": parameters.lora_dropout,
        "bias": "none",
        "target_modules": sorted(parameters.target_modules),
    }


def configuration_of(raw: Mapping[str, Any]) -> dict[str, Any]:
    """What an adapter_config.json says of the training that is to come, as its parameters.

    Raises:
        AdapterConfigInvalid: it is no LoRA configuration.
        TrainingParametersInvalid: it asks for what training doesn't do.
    """
    config = parse_config(raw)
    targets = config.target_modules
    wanted = {
        "lora_r": config.r,
        "lora_alpha": int(config.alpha) if config.alpha.is_integer() else config.alpha,
        "lora_dropout": raw.get("lora_dropout", 0.0),
        "target_modules": [targets] if isinstance(targets, str) else list(targets),
    }
    TrainingParameters.parse(wanted)
    return wanted


def backup_metadata(
    *, reason: str, user: str, avatar: str, at: datetime, file_count: int, files_bytes: int
) -> dict[str, Any]:
    """What ``backup_metadata.json`` says; the size is that of the files before packing."""
    return {
        "backup_type": reason,
        "user_id": user,
        "avatar_id": avatar,
        "backup_timestamp": at.isoformat(),
        "file_count": file_count,
        "backup_size_bytes": files_bytes,
    }


def parse_training_only(text: str | None) -> bool | None:
    """The three values of the filter: only flagged, only unflagged, all where it is not given."""
    return None if text is None else parse_flag(text, "training_only")


def parse_flag(text: str, name: str) -> bool:
    """A yes or no in an address.

    Raises:
        FlagInvalid: it is neither.
    """
    if text.strip().lower() in {"true", "1", "yes", "on"}:
        return True
    if text.strip().lower() in {"false", "0", "no", "off"}:
        return False
    raise FlagInvalid(f"{name} is neither true nor false.", fix=f"Write {name}=true or false.")


class FlagInvalid(DomainError):
    """A yes or no is neither."""

    code = "flag-invalid"
    title = "This is neither true nor false"
