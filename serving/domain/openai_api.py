"""OpenAI-shaped requests: what is understood, what is refused, and by which parameter's name."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from config.core.errors import DomainError, ErrorKind
from config.core.strict_json import NameTwice, parse
from serving.domain import shown

ROLES = {"system": "system", "developer": "system", "user": "user", "assistant": "assistant"}
MAX_STOPS = 4
MAX_TOKENS = 1_000_000
COMPLETION_MAX_TOKENS = 16  # what OpenAI's /v1/completions does when none is given

# Understood and of no effect on the answer.
IGNORED = frozenset(
    {
        "user", "metadata", "store", "service_tier", "safety_identifier", "prompt_cache_key",
        "parallel_tool_calls",
    }
)  # fmt: skip
# Refused unless they say what happens anyway.
NEUTRAL: Mapping[str, tuple[Any, ...]] = {
    "n": (1,),
    "best_of": (1,),
    "echo": (False,),
    "suffix": ("",),
    "logprobs": (False,),
    "presence_penalty": (0,),
    "frequency_penalty": (0,),
    "logit_bias": ({},),
    "tools": ([],),
    "tool_choice": ("none",),
    "functions": ([],),
    "function_call": ("none",),
    "response_format": ({"type": "text"},),
    "modalities": (["text"],),
}
_READ = frozenset(
    {
        "model", "messages", "prompt", "stream", "stream_options", "temperature", "top_p",
        "max_tokens", "max_completion_tokens", "stop", "seed",
    }
)  # fmt: skip


class RequestRefused(DomainError):
    """The request can't be understood or asks for what is not offered; ``param`` names where."""

    code: ClassVar[str] = "invalid_value"
    title = "The request is not valid"
    kind = ErrorKind.INVALID

    def __init__(self, message: str, *, param: str | None = None, fix: str = "") -> None:
        super().__init__(message, fix=fix)
        self.param = param


class ParameterUnsupported(RequestRefused):
    """A parameter that changes answers and is not offered here."""

    code = "unsupported_parameter"
    title = "The parameter is not supported"


class BodyTooLarge(RequestRefused):
    """The body is larger than the gateway reads."""

    code = "body_too_large"
    title = "The request body is too large"
    kind = ErrorKind.TOO_LARGE


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedAnswer:
    """A request for one answer: exactly one of ``messages`` and ``prompt`` is given."""

    model: str
    messages: tuple[Mapping[str, str], ...] | None = None
    prompt: str | None = None
    stream: bool = False
    include_usage: bool = False
    max_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    stop: tuple[str, ...] = ()
    seed: int | None = None

    @property
    def is_chat(self) -> bool:
        """Whether the answer has the shape of a chat completion."""
        return self.messages is not None


def parse_body(raw: bytes) -> dict[str, Any]:
    """The JSON object in a request body.

    Raises:
        RequestRefused: it is not JSON, or not an object.
    """
    try:
        body = parse(raw)
    except NameTwice as error:
        raise RequestRefused(
            f"The body is not valid JSON: {error}.", fix="Send each member once."
        ) from error
    except ValueError as error:
        raise RequestRefused(
            "The body is not valid JSON.", fix="Send a JSON object in UTF-8."
        ) from error
    if not isinstance(body, dict):
        raise RequestRefused("The body is JSON, but not an object.", fix="Send a JSON object.")
    return body


def parse_chat(body: Mapping[str, Any]) -> AskedAnswer:
    """The request in the body of ``POST /v1/chat/completions``.

    Raises:
        RequestRefused: naming the parameter.
    """
    _refuse_unknown(body, own="messages")
    messages = body.get("messages")
    if not isinstance(messages, list) or not messages:
        raise RequestRefused("messages is not a list with at least one message.", param="messages")
    parsed = tuple(_message(item, f"messages[{index}]") for index, item in enumerate(messages))
    limit = _max_tokens(body)
    return AskedAnswer(messages=parsed, max_tokens=limit, **_common(body))


def parse_completion(body: Mapping[str, Any]) -> AskedAnswer:
    """The request in the body of ``POST /v1/completions``.

    Raises:
        RequestRefused: naming the parameter.
    """
    _refuse_unknown(body, own="prompt")
    prompt = body.get("prompt")
    if isinstance(prompt, list) and len(prompt) == 1:
        prompt = prompt[0]
    if not isinstance(prompt, str) or not prompt:
        raise RequestRefused(
            "prompt is not a text.",
            param="prompt",
            fix="Send one prompt as a text; lists of prompts and of token ids are not offered.",
        )
    limit = _max_tokens(body) or COMPLETION_MAX_TOKENS
    return AskedAnswer(prompt=_encodable(prompt, "prompt"), max_tokens=limit, **_common(body))


def _common(body: Mapping[str, Any]) -> dict[str, Any]:
    model = body.get("model")
    if not isinstance(model, str) or not model:
        raise RequestRefused(
            "model is missing or not a text.",
            param="model",
            fix="Name one of the models that GET /v1/models lists.",
        )
    stream = _flag(body, "stream")
    return {
        "model": _encodable(model, "model"),
        "stream": stream,
        "include_usage": _include_usage(body.get("stream_options"), stream=stream),
        "temperature": _number(body, "temperature", lambda n: 0 <= n <= 2, "from 0 to 2"),
        "top_p": _number(body, "top_p", lambda n: 0 < n <= 1, "above 0 and at most 1"),
        "stop": _stops(body.get("stop")),
        "seed": _whole(body, "seed", -(2**63), 2**63 - 1),
    }


def _refuse_unknown(body: Mapping[str, Any], *, own: str) -> None:
    """Refuse what would be ignored silently though the caller counts on it."""
    other = {"messages": "prompt", "prompt": "messages"}[own]
    for name, value in body.items():
        if value is None or name in IGNORED:
            continue
        if name in _READ and name != other:
            continue
        if any(
            value == neutral and type(value) is type(neutral) for neutral in NEUTRAL.get(name, ())
        ):
            continue
        if name in ("presence_penalty", "frequency_penalty") and value == 0.0:
            continue
        known = shown.parameter(name)
        raise ParameterUnsupported(
            f"{known or 'A parameter of this request'} is not supported here"
            + (f" with this value; only {NEUTRAL[name][0]!r} is." if name in NEUTRAL else "."),
            param=known,
            fix=f"Leave {known or 'it'} out.",
        )


def _message(item: Any, where: str) -> dict[str, str]:
    if not isinstance(item, dict):
        raise RequestRefused(f"{where} is not an object.", param=where)
    role = item.get("role")
    if not isinstance(role, str) or role not in ROLES:
        raise RequestRefused(
            f"{where}.role is not one of {', '.join(ROLES)}.", param=f"{where}.role"
        )
    for name in ("tool_calls", "function_call", "audio"):
        if item.get(name):
            raise ParameterUnsupported(
                f"{where}.{name} is not supported here.", param=f"{where}.{name}"
            )
    content = _content(item.get("content"), f"{where}.content")
    return {"role": ROLES[role], "content": content}


def _content(content: Any, where: str) -> str:
    if isinstance(content, str):
        return _encodable(content, where)
    if not isinstance(content, list) or not content:
        raise RequestRefused(f"{where} is neither a text nor a list of text parts.", param=where)
    texts = []
    for index, part in enumerate(content):
        if not isinstance(part, dict) or part.get("type") != "text":
            raise RequestRefused(
                f"{where}[{index}] is not a part of type text; no other type is supported.",
                param=f"{where}[{index}].type",
            )
        if not isinstance(part.get("text"), str):
            raise RequestRefused(
                f"{where}[{index}].text is not a text.", param=f"{where}[{index}].text"
            )
        texts.append(_encodable(part["text"], f"{where}[{index}].text"))
    return "".join(texts)


def _encodable(text: str, where: str) -> str:
    """JSON can spell half of a surrogate pair; no tokenizer and no UTF-8 can."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise RequestRefused(f"{where} holds a lone surrogate.", param=where) from error
    return text


def _max_tokens(body: Mapping[str, Any]) -> int | None:
    old = _whole(body, "max_tokens", 1, MAX_TOKENS)
    new = _whole(body, "max_completion_tokens", 1, MAX_TOKENS)
    if old is not None and new is not None and old != new:
        raise RequestRefused(
            "max_tokens and max_completion_tokens differ.",
            param="max_tokens",
            fix="Send one of the two.",
        )
    return new if new is not None else old


def _include_usage(options: Any, *, stream: bool) -> bool:
    if options is None:
        return False
    if not isinstance(options, dict):
        raise RequestRefused("stream_options is not an object.", param="stream_options")
    if not stream:
        raise RequestRefused(
            "stream_options is only allowed with stream: true.", param="stream_options"
        )
    for name in options:
        if name not in ("include_usage", "include_obfuscation"):
            raise ParameterUnsupported(
                "stream_options holds something else than include_usage.", param="stream_options"
            )
    value = options.get("include_usage")
    if value is not None and not isinstance(value, bool):
        raise RequestRefused(
            "stream_options.include_usage is not true or false.",
            param="stream_options.include_usage",
        )
    return value is True


def _stops(stop: Any) -> tuple[str, ...]:
    if stop is None:
        return ()
    stops: Sequence[Any] = [stop] if isinstance(stop, str) else stop
    if (
        not isinstance(stops, list)
        or len(stops) > MAX_STOPS
        or not all(isinstance(item, str) and item for item in stops)
    ):
        raise RequestRefused(
            f"stop is neither a text nor a list of at most {MAX_STOPS} texts.", param="stop"
        )
    return tuple(_encodable(item, "stop") for item in stops)


def _flag(body: Mapping[str, Any], name: str) -> bool:
    value = body.get(name)
    if value is not None and not isinstance(value, bool):
        raise RequestRefused(f"{name} is not true or false.", param=name)
    return value is True


def _number(
    body: Mapping[str, Any], name: str, fits: Callable[[float], bool], words: str
) -> float | None:
    value = body.get(name)
    if value is None:
        return None
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or (isinstance(value, float) and not math.isfinite(value)) or not fits(value):
        raise RequestRefused(f"{name} is not a number {words}.", param=name)
    return float(value)


def _whole(body: Mapping[str, Any], name: str, low: int, high: int) -> int | None:
    value = body.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise RequestRefused(f"{name} is not a whole number from {low} to {high}.", param=name)
    return value
