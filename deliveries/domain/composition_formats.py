"""The same composition for an image engine, for vLLM, and as chat messages."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from deliveries.domain.composing import Chosen, Composed, join


class Format(StrEnum):
    """``tokens``: adapters stand in the prompt. The others name the adapter beside it, because a
    language model reads tokens as text: ``vllm`` as the body of /v1/completions, ``messages`` as
    that of /v1/chat/completions."""

    TOKENS = "tokens"
    VLLM = "vllm"
    MESSAGES = "messages"


@dataclass(frozen=True, slots=True)
class Rendered:
    """``prompt`` is a text, ``request`` the body for a language model's server or None."""

    prompt: str
    request: dict[str, Any] | None
    warnings: tuple[str, ...]


def render(composed: Composed, *, prefix: str, suffix: str, form: Format) -> Rendered:
    """The composition in the form that was asked for."""
    if form is Format.TOKENS:
        return Rendered(join(prefix, composed.tokens, suffix), None, composed.warnings)
    prompt = join(prefix, (), suffix)
    request: dict[str, Any] = {}
    if composed.chosen:
        request["model"] = composed.chosen[0].candidate.name
    if form is Format.VLLM:
        request["prompt"] = prompt
    else:
        parts = (("system", prefix.strip()), ("user", suffix.strip()))
        request["messages"] = [{"role": role, "content": text} for role, text in parts if text]
    return Rendered(prompt, request, (*composed.warnings, *_engine_warnings(composed.chosen)))


def _engine_warnings(chosen: Sequence[Chosen]) -> list[str]:
    """What a language model's server does not do with a composition."""
    if not chosen:
        return []
    first, others = chosen[0].candidate, chosen[1:]
    found = []
    if others:
        found.append(
            f'A request names one adapter: "{first.name}", the first; '
            f"{len(others)} more are not applied"
        )
    if first.weight != 1.0:
        found.append(
            f'"{first.name}" is applied at its own scale; the weight {first.weight} is not'
        )
    return found
