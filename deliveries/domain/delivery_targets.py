"""Where a delivery goes: its parameters, nested or flat, read into one typed target.

``{"http": {"host": …}}`` and ``{"host": …}`` mean the same. What is not known is refused by name:
a parameter that is silently left out could be the one that mattered.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from deliveries.domain.modes import Mode
from deliveries.errors import DeliveryInvalid

COMMAND_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}")
PROMPT_MARK = "{prompt}"
_DIGITS = re.compile(r"[0-9]{1,5}")
MAX_TEXT_LETTERS = 20_000
MAX_FILLED_LETTERS = 500_000
MAX_PORT = 65535
_FIELDS: Mapping[Mode, frozenset[str]] = {
    Mode.HTTP: frozenset({"host", "port", "path", "scheme", "metadata"}),
    Mode.CLI: frozenset({"template", "command", "metadata"}),
    Mode.S3: frozenset({"metadata"}),
    Mode.WEBHOOK: frozenset({"endpoint", "event", "metadata"}),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpTarget:
    """POST to this address."""

    url: str
    metadata: Mapping[str, Any] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class CliTarget:
    """Run an administrator's command by its name; or, with ``text``, only fill a text in."""

    command: str = ""
    text: str = field(default="", repr=False)

    def filled_letters(self, prompt: str) -> int:
        """How long the text is with ``prompt`` in every place for it."""
        places = self.text.count(PROMPT_MARK)
        return len(self.text) + places * (len(prompt) - len(PROMPT_MARK))


@dataclass(frozen=True, slots=True, kw_only=True)
class S3Target:
    """Put an object where the settings say."""

    metadata: Mapping[str, Any] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookTarget:
    """POST, signed, to a registered endpoint; with ``event`` the prompt is the news itself."""

    endpoint: UUID
    event: str = ""
    metadata: Mapping[str, Any] = field(default_factory=dict, repr=False)


Target = HttpTarget | CliTarget | S3Target | WebhookTarget


def read_mode(text: str) -> Mode:
    """The mode of this name.

    Raises:
        DeliveryInvalid: there is none.
    """
    if text not in list(Mode):
        raise DeliveryInvalid(
            "There is no such delivery mode.", fix=f"Choose one of {', '.join(Mode)}."
        )
    return Mode(text)


def read_target(mode: Mode, params: Mapping[str, Any]) -> Target:
    """The target that ``params`` name for ``mode``.

    Raises:
        DeliveryInvalid: a parameter is missing, unknown, or not of its kind; ``errors`` names it.
    """
    values = _flat(mode, params)
    return _READERS[mode](values)


def _flat(mode: Mode, params: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters of ``mode``, wherever they stand; those of other modes are left aside."""
    nested = params.get(mode)
    if nested is not None and not isinstance(nested, Mapping):
        raise _wrong(f"{mode}", "must be an object")
    said = params.get("mode", mode)
    if said != mode:
        raise _wrong("mode", "names another mode than the delivery")
    others = {str(other) for other in Mode} | {"mode"}
    values = {name: value for name, value in params.items() if name not in others}
    for name, value in (nested or {}).items():
        if name in values and values[name] != value:
            raise _wrong(f"{mode}/{name}", "is given twice with different values")
        values[name] = value
    for name in values:
        if name not in _FIELDS[mode]:
            known = ", ".join(sorted(_FIELDS[mode] - {"event"}))
            raise _wrong("params", f"holds what {mode} does not know; it knows {known}")
    return {name: value for name, value in values.items() if value is not None}


def _http(values: Mapping[str, Any]) -> HttpTarget:
    host = _text(values, "host", required=True)
    scheme = _text(values, "scheme", default="http")
    path = _text(values, "path", default="/")
    port = values.get("port", 443 if scheme == "https" else 80)
    if isinstance(port, str) and _DIGITS.fullmatch(port):
        port = int(port)  # managers of old put it into an address as it came
    if scheme not in {"http", "https"}:
        raise _wrong("http/scheme", "is neither http nor https")
    if isinstance(port, bool) or not isinstance(port, int) or not 0 < port <= MAX_PORT:
        raise _wrong("http/port", f"must be a whole number from 1 to {MAX_PORT}")
    if not path.startswith("/"):
        raise _wrong("http/path", "must begin with /")
    if set(host) & set("/?#@\\"):
        raise _wrong("http/host", "must be a host alone")
    if ":" in host and not host.startswith("["):
        host = f"[{host}]"
    return HttpTarget(url=f"{scheme}://{host}:{port}{path}", metadata=_metadata(values))


def _cli(values: Mapping[str, Any]) -> CliTarget:
    command = _text(values, "command")
    template = _text(values, "template")
    if command and template:
        raise _wrong("cli", "takes a command or a template, not both")
    if template and PROMPT_MARK in template:
        return CliTarget(text=template)
    named = command or template or "default"
    if not COMMAND_NAME.fullmatch(named):
        raise _wrong(
            "cli/template",
            f"is neither the name of a command nor a text with {PROMPT_MARK} in it",
        )
    return CliTarget(command=named)


def _s3(values: Mapping[str, Any]) -> S3Target:
    return S3Target(metadata=_metadata(values))


def _webhook(values: Mapping[str, Any]) -> WebhookTarget:
    try:
        endpoint = UUID(_text(values, "endpoint", required=True))
    except ValueError:
        raise _wrong("webhook/endpoint", "is no id of an endpoint") from None
    return WebhookTarget(
        endpoint=endpoint, event=_text(values, "event"), metadata=_metadata(values)
    )


_READERS: Mapping[Mode, Callable[[Mapping[str, Any]], Target]] = {
    Mode.HTTP: _http,
    Mode.CLI: _cli,
    Mode.S3: _s3,
    Mode.WEBHOOK: _webhook,
}


def _text(
    values: Mapping[str, Any], name: str, *, default: str = "", required: bool = False
) -> str:
    value = values.get(name, default)
    if not isinstance(value, str):
        raise _wrong(name, "must be a text")
    if required and not value:
        raise _wrong(name, "is missing")
    if len(value) > MAX_TEXT_LETTERS:
        raise _wrong(name, f"has more than {MAX_TEXT_LETTERS} letters")
    return value


def _metadata(values: Mapping[str, Any]) -> Mapping[str, Any]:
    found = values.get("metadata", {})
    if not isinstance(found, Mapping):
        raise _wrong("metadata", "must be an object")
    return found


def _wrong(where: str, what: str) -> DeliveryInvalid:
    return DeliveryInvalid(
        f"The delivery's {where} {what}.",
        fix="docs/contracts/deliveries.md lists the parameters of each mode.",
        errors=[{"pointer": f"/params/{where}", "message": what}],
    )
