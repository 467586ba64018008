"""Guards at the door for packages: ZIP archives and folders, listed and read without extracting."""

import stat
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from config.core.errors import DomainError, ErrorKind

CONFIG_FILE = "adapter_config.json"
WEIGHTS_FILE = "adapter_model.safetensors"


@dataclass(frozen=True, kw_only=True)
class PackageLimits:
    """How much a package may hold; ``ratio`` is unpacked to packed, above ``ratio_free_bytes``."""

    files: int = 200
    file_bytes: int = 4 << 30
    total_bytes: int = 8 << 30
    path_chars: int = 240
    depth: int = 8
    ratio: int = 200
    ratio_free_bytes: int = 64 << 20


@dataclass(frozen=True)
class Member:
    """A file that a package announces; nothing of it has been read yet.

    ``mode``: Unix file mode, 0 where it is not known; ``packed_bytes``: None outside an archive.
    """

    path: str
    size_bytes: int
    packed_bytes: int | None = None
    mode: int = 0
    is_encrypted: bool = False
    is_known_method: bool = True
    name: str = field(default="", compare=False)


@dataclass(frozen=True)
class PackageFault:
    """One thing that is wrong with a container, at which path, and how to mend it."""

    code: str
    path: str
    message: str
    fix: str

    def as_error(self) -> dict[str, str]:
        """As an item of a problem response's ``errors``."""
        return {"code": self.code, "path": self.path, "message": self.message, "fix": self.fix}


class PackageInvalid(DomainError):
    """The container is refused before anything of it is stored; ``errors`` lists each fault."""

    code = "package-invalid"
    title = "The package can't be accepted"
    kind = ErrorKind.UNPROCESSABLE

    def __init__(self, faults: Sequence[PackageFault]) -> None:
        first = faults[0]
        more = f" (and {len(faults) - 1} more)" if len(faults) > 1 else ""
        super().__init__(
            first.message + more, fix=first.fix, errors=[fault.as_error() for fault in faults]
        )
        self.faults = tuple(faults)


def printable(path: str) -> str:
    """``path`` with everything that a terminal, a log or UTF-8 could stumble over escaped."""
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode() for char in path
    )


def plan_package(
    members: Sequence[Member],
    *,
    limits: PackageLimits | None = None,
    required: Iterable[str] = (),
) -> list[PackageFault]:
    """Everything that is wrong with the announced members; empty when they may be stored.

    Directories are not members. Sizes are what the container says; whoever reads the bytes counts
    them again.
    """
    limits = limits or PackageLimits()
    faults = _amount_faults(members, limits)
    if len(members) <= limits.files:
        for member in members:
            faults += _path_faults(member, limits) + _kind_faults(member, limits)
        faults += _clash_faults(members)
    if not members:
        faults.append(_fault("empty", "", "The package holds no file.", "Upload a PEFT folder."))
    present = {member.path for member in members}
    for name in required:
        if members and name not in present:
            faults.append(
                _fault(
                    "missing",
                    name,
                    f"The package has no {name} at its top.",
                    "Upload the folder that PEFT's save_pretrained wrote.",
                )
            )
    return faults


def strip_top_folder(members: Sequence[Member]) -> list[Member]:
    """The members without the one folder that all of them lie in, if there is one."""
    tops = {member.path.split("/", 1)[0] for member in members if "/" in member.path}
    is_nested = len(tops) == 1 and all("/" in member.path for member in members)
    if not is_nested or tops & {"..", "", "."}:
        return list(members)
    return [
        Member(
            path=member.path.split("/", 1)[1],
            size_bytes=member.size_bytes,
            packed_bytes=member.packed_bytes,
            mode=member.mode,
            is_encrypted=member.is_encrypted,
            is_known_method=member.is_known_method,
            name=member.name,
        )
        for member in members
    ]


def guarded(
    members: Sequence[Member], *, limits: PackageLimits, required: Iterable[str]
) -> list[Member]:
    """The members as a package has them, without the one folder that holds everything.

    Raises:
        PackageInvalid: with every fault that there is.
    """
    faults = plan_package(members, limits=limits)
    stripped = strip_top_folder(members)
    faults = faults or plan_package(stripped, limits=limits, required=required)
    if faults:
        raise PackageInvalid(faults)
    return stripped


def folder_members(root: Path, *, maximum: int = 10_000) -> list[Member]:
    """The files under ``root`` in order of path; links are listed and never followed.

    At most ``maximum`` + 1 are listed, enough to see that there are too many.
    """
    members: list[Member] = []
    folders = [root]
    while folders and len(members) <= maximum:
        for entry in sorted(folders.pop().iterdir()):
            status = entry.lstat()
            if stat.S_ISDIR(status.st_mode):
                folders.append(entry)
                continue
            path = entry.relative_to(root).as_posix()
            members.append(
                Member(path=path, size_bytes=status.st_size, mode=status.st_mode, name=path)
            )
    return sorted(members, key=lambda member: member.path)[: maximum + 1]


def _fault(code: str, path: str, message: str, fix: str) -> PackageFault:
    return PackageFault(code, printable(path), message, fix)


def _amount_faults(members: Sequence[Member], limits: PackageLimits) -> list[PackageFault]:
    faults = []
    if len(members) > limits.files:
        faults.append(
            _fault(
                "too_many_files",
                "",
                f"The package has {len(members)} files, {limits.files} are allowed.",
                "Upload only what PEFT's save_pretrained wrote, without checkpoints.",
            )
        )
    total_bytes = sum(member.size_bytes for member in members)
    if total_bytes > limits.total_bytes:
        faults.append(
            _fault(
                "too_large",
                "",
                f"The package unpacks to {total_bytes} bytes, {limits.total_bytes} are allowed.",
                "Upload the adapter alone, without the base model and without optimizer states.",
            )
        )
    return faults


def _path_faults(member: Member, limits: PackageLimits) -> list[PackageFault]:
    path, shown = member.path, printable(member.path)
    parts = path.split("/")
    problem = ""
    if path.startswith("/"):
        problem = "is an absolute path"
    elif "\\" in path or (len(path) > 1 and path[1] == ":"):
        problem = "is a Windows path or holds a backslash"
    elif ".." in parts:
        problem = "leads out of the package"
    elif any(part in ("", ".") for part in parts):
        problem = "has an empty part"
    elif shown != path:
        problem = "holds characters that can't be printed"
    elif len(path) > limits.path_chars or len(parts) > limits.depth:
        problem = f"is longer than {limits.path_chars} characters or {limits.depth} folders"
    if not problem:
        return []
    return [
        _fault(
            "unsafe_path",
            path,
            f"The path {shown[:120]!r} {problem}.",
            "Pack the adapter's folder again so that every path is relative and plain.",
        )
    ]


def _kind_faults(member: Member, limits: PackageLimits) -> list[PackageFault]:
    shown, faults = printable(member.path), []
    file_type = stat.S_IFMT(member.mode)
    if file_type == stat.S_IFLNK:
        faults.append(
            _fault(
                "link",
                member.path,
                f"{shown} is a symbolic link.",
                "Put the file itself into the package (zip follows links without -y).",
            )
        )
    elif file_type not in (0, stat.S_IFREG):
        faults.append(
            _fault(
                "not_a_file",
                member.path,
                f"{shown} is a device, a pipe or a socket.",
                "Leave it out of the package.",
            )
        )
    if member.is_encrypted:
        faults.append(
            _fault(
                "encrypted",
                member.path,
                f"{shown} is encrypted.",
                "Upload an archive without a password; transport and store are encrypted anyway.",
            )
        )
    if not member.is_known_method:
        faults.append(
            _fault(
                "method",
                member.path,
                f"{shown} is packed by a method other than store or deflate.",
                "Pack the folder again as an ordinary ZIP file.",
            )
        )
    if member.size_bytes > limits.file_bytes:
        faults.append(
            _fault(
                "too_large",
                member.path,
                f"{shown} has {member.size_bytes} bytes, {limits.file_bytes} are allowed.",
                "Upload the adapter alone, without the base model.",
            )
        )
    if (
        member.packed_bytes is not None
        and member.size_bytes > limits.ratio_free_bytes
        and member.size_bytes > limits.ratio * max(member.packed_bytes, 1)
    ):
        faults.append(
            _fault(
                "bomb",
                member.path,
                f"{shown} unpacks {member.packed_bytes} bytes to {member.size_bytes}.",
                "Weights do not shrink like that. Upload the files without an archive.",
            )
        )
    return faults


def _clash_faults(members: Sequence[Member]) -> list[PackageFault]:
    """Names that are one name on some file system, and names that are file and folder at once."""
    faults: list[PackageFault] = []
    seen: dict[str, str] = {}
    for member in members:
        key = _folded(member.path)
        if key in seen:
            faults.append(
                _fault(
                    "duplicate",
                    member.path,
                    f"{printable(member.path)} stands twice in the package, or differs from "
                    f"{printable(seen[key])} only in the case of its letters.",
                    "Keep one of the two.",
                )
            )
        seen.setdefault(key, member.path)
    for member in members:
        for parent in PurePosixPath(member.path).parents:
            if _folded(str(parent)) in seen:
                faults.append(
                    _fault(
                        "duplicate",
                        member.path,
                        f"{printable(str(parent))} is a file and a folder at once.",
                        "Pack the folder again.",
                    )
                )
                break
    return faults


def _folded(path: str) -> str:
    return unicodedata.normalize("NFC", path).casefold()
