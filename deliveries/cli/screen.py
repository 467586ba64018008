"""What the command prints: results on stdout as text or one JSON object, the rest on stderr."""

import json
import sys
from collections.abc import Iterable
from typing import Any

from tqdm import tqdm

from .endings import Ended, Refused


class Screen:
    """Text for people, or exactly one JSON object for programs."""

    def __init__(self, *, is_json: bool) -> None:
        self._is_json = is_json

    def result(self, body: dict[str, Any], lines: Iterable[str]) -> None:
        """The result: ``body`` as JSON, or ``lines``."""
        text = json.dumps(body, ensure_ascii=False, indent=2) if self._is_json else "\n".join(lines)
        sys.stdout.write(_plain(text, keep="\n") + "\n")
        sys.stdout.flush()

    def note(self, text: str) -> None:
        """What is going on, for people who watch."""
        if not self._is_json:
            sys.stderr.write(f"{_plain(text)}\n")
            sys.stderr.flush()

    def ended(self, error: Ended) -> None:
        """Why the command ends: on stderr, and for programs on stdout too."""
        body: dict[str, Any] = {"error": {"code": error.code, "message": error.message}}
        if error.fix:
            body["error"]["fix"] = error.fix
        rows = error.errors if isinstance(error, Refused) else []
        if rows:
            body["error"]["errors"] = rows
        if self._is_json:
            self.result(body, ())
            return
        lines = [error.message]
        for row in rows:
            message, fix = row.get("message"), row.get("fix")
            if message and message != error.message:
                lines.append(f"  {row.get('path') or row.get('pointer') or ''} {message}".rstrip())
                lines += [f"      mend: {fix}"] if fix else []
        if error.fix:
            lines.append(f"  mend: {error.fix}")
        sys.stderr.write(_plain("\n".join(lines), keep="\n") + "\n")

    def bar(self, *, total_bytes: int, what: str) -> "tqdm[Any]":
        """A bar on stderr, where somebody watches."""
        is_watched = sys.stderr.isatty() and not self._is_json
        return tqdm(
            total=total_bytes,
            desc=what,
            unit="B",
            unit_scale=True,
            unit_divisor=1024,
            file=sys.stderr,
            disable=not is_watched,
            leave=False,
        )


def _plain(text: str, *, keep: str = "") -> str:
    """Without what a terminal would obey; the server's words are not the terminal's master."""
    return "".join(c if c.isprintable() or c in keep else f"\\x{ord(c):02x}" for c in text)
