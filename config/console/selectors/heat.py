"""How much each module is changed by two adapters, as a map of layers and kinds of modules."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from compliance.domain.adapter import layer_of, module_kind
from compliance.domain.snapshot import UpdateFacts

STEPS = 8


@dataclass(frozen=True)
class Cell:
    """One version's norm of a module; ``heat`` is 0 to ``STEPS`` of the largest of both."""

    norm: float | None
    heat: int

    @property
    def text(self) -> str:
        """Three digits, or a dash where the module is not changed."""
        return "–" if self.norm is None else f"{self.norm:.3g}"


@dataclass(frozen=True)
class HeatRow:
    """A layer (-1: outside of layers) with the cells of each kind, the first version's first."""

    layer: int
    pairs: list[tuple[Cell, Cell]]


@dataclass(frozen=True)
class HeatMap:
    """``totals``: root of the summed squares of each version; ``kinds`` in order of the columns."""

    kinds: list[str]
    rows: list[HeatRow]
    totals: tuple[float, float]
    largest: float


def heat_map(a: Iterable[UpdateFacts], b: Iterable[UpdateFacts]) -> HeatMap | None:
    """The map of the scaled norms of B·A; None where neither version was measured."""
    first, second = _norms(a), _norms(b)
    places = {*first, *second}
    if not places:
        return None
    largest = max([*first.values(), *second.values()])
    kinds = sorted({kind for _, kind in places})
    rows = [
        HeatRow(
            layer,
            [
                (
                    _cell(first.get((layer, kind)), largest),
                    _cell(second.get((layer, kind)), largest),
                )
                for kind in kinds
            ],
        )
        for layer in sorted({layer for layer, _ in places})
    ]
    return HeatMap(kinds, rows, (_total(first), _total(second)), largest)


def _norms(updates: Iterable[UpdateFacts]) -> dict[tuple[int, str], float]:
    """(layer, kind) → norm; modules of one kind in one layer are added as squares."""
    squares: dict[tuple[int, str], float] = {}
    for update in updates:
        if update["norm"] is None:
            continue
        place = (layer_of(update["module"]), module_kind(update["module"]))
        squares[place] = squares.get(place, 0.0) + float(update["norm"]) ** 2
    return {place: square**0.5 for place, square in squares.items()}


def _cell(norm: float | None, largest: float) -> Cell:
    if norm is None or not largest:
        return Cell(norm, 0)
    return Cell(norm, round(STEPS * norm / largest))


def _total(norms: Mapping[tuple[int, str], float]) -> float:
    return sum(norm**2 for norm in norms.values()) ** 0.5
