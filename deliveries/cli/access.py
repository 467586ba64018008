"""Which server, and with which token: from options, the environment, or a file of the user."""

import os
import stat
import tomllib
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from .endings import WrongUse

READABLE_BY_OTHERS = stat.S_IRGRP | stat.S_IROTH


@dataclass(frozen=True)
class Access:
    """``url`` without a slash at its end; ``token`` is never printed."""

    url: str
    token: str


def access_file() -> Path:
    """``config.toml`` in the user's folder."""
    return Path("~/.config/formulary/config.toml").expanduser()


def find_access() -> Access:
    """FORMULARY_URL and FORMULARY_TOKEN, each from the file where the environment lacks it.

    Raises:
        WrongUse: one of them is nowhere, or the file can't be trusted.
    """
    given = {
        "url": os.environ.get("FORMULARY_URL", ""),
        "token": os.environ.get("FORMULARY_TOKEN", ""),
    }
    if not all(given.values()):
        given = _from_file(access_file()) | {key: text for key, text in given.items() if text}
    url, token = given.get("url", ""), given.get("token", "")
    if fault := _fault_of(url):
        raise WrongUse(
            fault, fix=f'Set FORMULARY_URL, or write url = "https://…" into {access_file()}.'
        )
    if not token or not token.isascii() or not token.isprintable():
        raise WrongUse(
            "There is no API token." if not token else "The API token has odd characters.",
            fix="Set FORMULARY_TOKEN. Your page in the console, or manage.py issue_token, makes "
            "one with the scopes registry:read and versions:write (deployments:write to deploy, "
            "stops:write to stop).",
        )
    return Access(url.rstrip("/"), token)


def _fault_of(url: str) -> str:
    """Why this is no address of a server; empty where it is one."""
    if not url:
        return "There is no address of a server."
    try:
        parts = urlsplit(url)
        is_one = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_one = False
    if not is_one or not url.isascii() or not url.isprintable() or " " in url:
        # What stands before an @ may be a password.
        return f"{url.rpartition('@')[2][:200]!r} is no http address."
    if parts.query or parts.fragment or "@" in parts.netloc:
        return "The address of the server has more than scheme, host, port and path."
    return ""


def _from_file(path: Path) -> dict[str, str]:
    try:
        with path.open("rb") as stream:
            mode = os.fstat(stream.fileno()).st_mode
            values = tomllib.load(stream)
    except FileNotFoundError:
        return {}
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise WrongUse(
            f"{path} can't be read: {error}", fix="It is TOML: url and token."
        ) from error
    if "token" in values and mode & READABLE_BY_OTHERS:
        raise WrongUse(f"{path} holds a token and others may read it.", fix=f"chmod 600 {path}")
    return {key: str(values[key]) for key in ("url", "token") if key in values}
