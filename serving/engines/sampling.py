"""Which token comes next: the top one, or a draw by temperature and top_p with the row's seed."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch


@dataclass(frozen=True, slots=True)
class Sampling:
    """How one row draws. ``generator`` None: greedy."""

    temperature: float = 0.0
    top_p: float = 1.0
    generator: torch.Generator | None = None

    @classmethod
    def of(cls, temperature: float | None, top_p: float | None, seed: int | None) -> "Sampling":
        """From a request: temperature None or 0 is greedy; without a seed every draw differs."""
        if not temperature:
            return cls()
        generator = torch.Generator()
        if seed is None:
            generator.seed()
        else:
            generator.manual_seed(seed)
        return cls(temperature, 1.0 if top_p is None else top_p, generator)


@dataclass(frozen=True, slots=True)
class Choice:
    """The token drawn for a row; None when its logits are not finite."""

    token_id: int | None
    margin: float | None


def choose(
    logits: torch.Tensor, samplings: Sequence[Sampling], *, margins: Sequence[bool]
) -> list[Choice]:
    """One choice a row of ``logits`` (rows × vocab, f32).

    A margin is the top logit minus the second, whatever was drawn.
    """
    tops, greedy = logits.max(dim=-1)
    is_finite = torch.isfinite(tops).tolist()
    tokens = greedy.tolist()
    seconds = logits.topk(2, dim=-1).values if any(margins) else None
    choices = []
    for row, sampling in enumerate(samplings):
        if not is_finite[row]:
            choices.append(Choice(None, None))
            continue
        token = tokens[row]
        if sampling.generator is not None:
            token = _draw(logits[row], sampling)
        margin = None
        if margins[row] and seconds is not None:
            margin = float(seconds[row, 0] - seconds[row, 1])
        choices.append(Choice(token, margin))
    return choices


def _draw(logits: torch.Tensor, sampling: Sampling) -> int:
    chances = torch.softmax(logits.cpu() / sampling.temperature, dim=-1)
    if sampling.top_p < 1.0:
        ordered, order = chances.sort(descending=True)
        before = ordered.cumsum(0) - ordered
        # The top token always stays, so that top_p 0 is greedy.
        ordered[1:] = ordered[1:].masked_fill(before[1:] >= sampling.top_p, 0.0)
        pick = torch.multinomial(ordered, 1, generator=sampling.generator)
        return int(order[pick])
    return int(torch.multinomial(chances, 1, generator=sampling.generator))
