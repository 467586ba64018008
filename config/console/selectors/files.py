"""The files of two versions, path by path."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from django.utils.translation import gettext as _

from config.console.words import counted
from registry.models import Version
from registry.selectors import files_of


@dataclass(frozen=True)
class FileLine:
    """A path with the digests and sizes of both sides; None where a side has no such file."""

    path: str
    a: tuple[str, int] | None
    b: tuple[str, int] | None

    @property
    def is_changed(self) -> bool:
        """Whether a side has other bytes or no such file."""
        return self.a is None or self.b is None or self.a[0] != self.b[0]

    @property
    def word(self) -> tuple[str, str, str]:
        """Word, icon and tone."""
        if self.a is None:
            return _("only in the second"), "add_circle", "info"
        if self.b is None:
            return _("only in the first"), "do_not_disturb_on", "warn"
        if self.a[0] == self.b[0]:
            return _("the same"), "check_circle", "quiet"
        return _("differs"), "difference", "info"


def file_lines(a: Version, b: Version) -> list[FileLine]:
    """All paths of both, sorted."""
    sides = [
        {row.path: (row.blob.sha256, row.blob.size_bytes) for row in files_of(version)}
        for version in (a, b)
    ]
    return [
        FileLine(path, sides[0].get(path), sides[1].get(path))
        for path in sorted({*sides[0], *sides[1]})
    ]


def count_changed(lines: Iterable[FileLine]) -> str:
    """``2 of 5 files`` in words."""
    listed: Sequence[FileLine] = list(lines)
    return _("%(differing)s of %(files)s") % {
        "differing": sum(line.is_changed for line in listed),
        "files": counted(len(listed), "file"),
    }
