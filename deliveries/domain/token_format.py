"""How an adapter is written into a prompt: a template that an administrator may change."""

import re
from dataclasses import dataclass
from string import Formatter

DEFAULT = "<lora:{name}:{weight:.3f}>"
_DECIMALS = re.compile(r"\.[0-6]f")
_SHORT_DECIMALS = 3
MAX_LETTERS = 200


@dataclass(frozen=True, slots=True)
class Token:
    """An adapter as it stands in the prompt; ``is_zero``: its weight is written as nothing."""

    text: str
    is_zero: bool


@dataclass(frozen=True, slots=True)
class TokenFormat:
    """A template with ``{name}`` and one of ``{weight:.3f}`` (0 to 6 decimals) and ``{short}``.

    ``{short}`` writes up to three decimals and no trailing zeros: 0.75, 1, 0.125.
    """

    template: str
    decimals: int | None  # None where the template says {short}

    @classmethod
    def parse(cls, template: str) -> "TokenFormat":
        """The format that ``template`` describes.

        Raises:
            ValueError: it holds no name or no weight, something else, or a line break.
        """
        if len(template) > MAX_LETTERS or not template.isprintable():
            raise ValueError(f"it must be at most {MAX_LETTERS} printable characters")
        fields = [
            (field, form or "", conversion)
            for _, field, form, conversion in Formatter().parse(template)
            if field is not None
        ]
        if sorted(field for field, _, _ in fields) not in (["name", "weight"], ["name", "short"]):
            raise ValueError("it must hold {name} once and {weight:.3f} or {short} once")
        by_name = {field: form for field, form, _ in fields}
        is_plain = not by_name["name"] and not by_name.get("short")
        if any(conversion for *_, conversion in fields) or not is_plain:
            raise ValueError("{name} and {short} take no format")
        if "short" in by_name:
            return cls(template, None)
        if not _DECIMALS.fullmatch(by_name["weight"]):
            raise ValueError("{weight} takes a number of decimals from .0f to .6f")
        return cls(template, int(by_name["weight"][1]))

    def token(self, name: str, weight: float) -> Token:
        """``name`` and ``weight`` as they stand in the prompt; a zero carries no sign."""
        decimals = _SHORT_DECIMALS if self.decimals is None else self.decimals
        is_zero = float(f"{weight:.{decimals}f}") == 0
        number = 0.0 if is_zero else weight
        short = f"{number:.{_SHORT_DECIMALS}f}".rstrip("0").rstrip(".")
        return Token(self.template.format(name=name, weight=number, short=short), is_zero)
