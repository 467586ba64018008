"""What of a caller's text may stand in an error: plain short names, nothing else.

Whoever sends a note in the wrong field must not find it in an error body, a proxy's log or a
client's stack trace.
"""

import re

_NAME = re.compile(r"[a-z0-9._:@/-]{1,100}")
_ADAPTER = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,79}")
_PARAMETER = re.compile(r"[a-z][a-z0-9_]{0,39}")


def name_or(text: str, otherwise: str) -> str:
    """``text`` in quotes where it looks like a name of ours, else ``otherwise``."""
    return f"'{text}'" if _NAME.fullmatch(text) else otherwise


def adapter(text: str) -> str:
    """``text`` where it looks like an adapter's name, else words that fit into its place."""
    return text if _ADAPTER.fullmatch(text) else "of that name"


def parameter(text: str) -> str | None:
    """``text`` where it looks like a parameter's name, else None."""
    return text if _PARAMETER.fullmatch(text) else None
