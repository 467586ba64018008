"""The LoRA slots: A and B of every resident adapter in one preallocated slab per module."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch.nn import functional

from serving.engines.llama.config import LlamaConfig, layer_groups, module_path
from serving.engines.llama.memory import Slabs

RANK_STEP = 8
"""Ranks are rounded up to this, which keeps grouped_mm's rows aligned to 16 bytes in any dtype."""


@dataclass(frozen=True, slots=True)
class AdapterMatrices:
    """One module's update in f32: ``down`` is A (rank × in), ``up`` is scale * B (out × rank)."""

    down: torch.Tensor
    up: torch.Tensor


@dataclass(frozen=True, slots=True)
class GroupViews:
    """One group of one layer in all slots.

    ``down``: slots × (rank_max * parts) × in; row ``r * parts + j`` is rank r of projection j, so
    that a lower rank is a prefix. ``ups[j]``: slots × rank_max × out_j (B transposed, for the same
    reason). ``columns[j]``: where projection j lies in the joined output.
    """

    down: torch.Tensor
    ups: tuple[torch.Tensor, ...]
    columns: tuple[tuple[int, int], ...]

    @property
    def parts(self) -> int:
        """How many projections share the input."""
        return len(self.ups)


@dataclass(frozen=True, slots=True)
class Segment:
    """Tokens ``start`` to ``end`` of a step, all of the adapter in ``slot``."""

    slot: int
    start: int
    end: int


@dataclass(slots=True)
class LoraPlan:
    """Which tokens of a step get which slot.

    ``grouped``: the first tokens, one segment a slot in slot order, computed in one grouped matmul
    with the ends in ``offsets`` (one a slot of the slab). ``segments``: the others, one by one.
    Tokens in neither belong to the base. Ranks are the largest of the slots involved.
    """

    segments: list[tuple[Segment, int]] = field(default_factory=list)
    grouped_tokens: int = 0
    grouped_rank: int = 0
    offsets: torch.Tensor | None = None
    groups: frozenset[str] = frozenset()


class LoraSlab:
    """``slots`` × every targetable module; see ``GroupViews`` for the layout."""

    def __init__(
        self,
        config: LlamaConfig,
        *,
        slots: int,
        max_rank: int,
        dtype: torch.dtype,
        device: torch.device,
    ) -> None:
        self.slots = slots
        self.max_rank = -(-max_rank // RANK_STEP) * RANK_STEP
        self._ranks = [0] * slots
        self._groups: list[frozenset[str]] = [frozenset()] * slots
        groups = layer_groups(config)
        per_layer = sum(
            self.max_rank * (len(group.projections) * group.in_features + group.out_features)
            for group in groups
        )
        self._memory = Slabs(slots, per_layer * config.layers, dtype=dtype, device=device)
        self._places: dict[str, tuple[GroupViews, int, str]] = {}
        self.layers: list[dict[str, GroupViews]] = []
        offset = 0
        for layer in range(config.layers):
            views = {}
            for group in groups:
                parts = len(group.projections)
                down = self._view(offset, self.max_rank * parts, group.in_features)
                offset += self.max_rank * parts * group.in_features
                ups, columns, column = [], [], 0
                for projection in group.projections:
                    ups.append(self._view(offset, self.max_rank, projection.out_features))
                    offset += self.max_rank * projection.out_features
                    columns.append((column, column + projection.out_features))
                    column += projection.out_features
                views[group.name] = GroupViews(down, tuple(ups), tuple(columns))
                for index, projection in enumerate(group.projections):
                    path = module_path(layer, projection)
                    self._places[path] = (views[group.name], index, group.name)
            self.layers.append(views)

    def _view(self, offset: int, rows: int, columns: int) -> torch.Tensor:
        memory = self._memory
        return memory.tensor.as_strided(
            (self.slots, rows, columns), (memory.stride, columns, 1), offset
        )

    @property
    def modules(self) -> frozenset[str]:
        """Paths of the modules that an adapter may target."""
        return frozenset(self._places)

    def write(self, slot: int, matrices: Mapping[str, AdapterMatrices]) -> None:
        """Copy an adapter into a free, zeroed slot; other slots are not touched."""
        rank, groups = 0, set()
        for path, update in matrices.items():
            views, index, group = self._places[path]
            rows = update.down.shape[0]
            parts = views.parts
            views.down[slot, index : rows * parts : parts].copy_(update.down)
            views.ups[index][slot, :rows].copy_(update.up.t())
            rank = max(rank, rows)
            groups.add(group)
        self._ranks[slot] = -(-rank // RANK_STEP) * RANK_STEP
        self._groups[slot] = frozenset(groups)

    def zero(self, slot: int) -> None:
        """Overwrite a slot with zeros and hand its pages back."""
        rank = self._ranks[slot] or self.max_rank
        for layer in self.layers:
            for views in layer.values():
                views.down[slot, : rank * views.parts].zero_()
                for up in views.ups:
                    up[slot, :rank].zero_()
        self._memory.release_pages(slot)
        self._ranks[slot] = 0
        self._groups[slot] = frozenset()

    def is_zero(self, slot: int) -> bool:
        """Whether every number in the slot is zero."""
        return not bool(self._memory.tensor[slot].any())

    def plan(self, decode: Sequence[Segment], prefill: Sequence[Segment]) -> LoraPlan:
        """How to compute a step: ``decode`` segments come first, in slot order, then others.

        Many slots in decode are one grouped matmul (measured on 16 rows of 16 adapters, rank 16:
        0.22 ms a group against 0.61 ms one by one); a single slot, or few among many slots, and
        prefill are computed segment by segment.
        """
        plan = LoraPlan(
            groups=frozenset().union(*(self._groups[s.slot] for s in (*decode, *prefill)))
        )
        one_by_one = [*prefill]
        if len(decode) > 1 and 4 * len(decode) >= self.slots:
            counts = torch.zeros(self.slots, dtype=torch.int32)
            for segment in decode:
                counts[segment.slot] = segment.end - segment.start
            plan.offsets = counts.cumsum(0).to(dtype=torch.int32, device=self._memory.tensor.device)
            plan.grouped_tokens = decode[-1].end
            plan.grouped_rank = max(self._ranks[segment.slot] for segment in decode)
        else:
            one_by_one = [*decode, *prefill]
        plan.segments = [(segment, self._ranks[segment.slot]) for segment in one_by_one]
        return plan

    def add(
        self, plan: LoraPlan, layer: int, group: str, inputs: torch.Tensor, outputs: torch.Tensor
    ) -> None:
        """Add each token's update to ``outputs`` (tokens × out) in place."""
        if group not in plan.groups:
            return
        views = self.layers[layer][group]
        parts = views.parts
        if plan.offsets is not None:
            tokens, rank = plan.grouped_tokens, plan.grouped_rank
            down = views.down[:, : rank * parts].transpose(1, 2)
            small = functional.grouped_mm(inputs[:tokens], down, offs=plan.offsets)
            by_part = small.view(tokens, rank, parts).permute(2, 0, 1).contiguous()
            for part, up, (low, high) in zip(by_part, views.ups, views.columns, strict=True):
                outputs[:tokens, low:high] += functional.grouped_mm(
                    part, up[:, :rank], offs=plan.offsets
                )
        for segment, rank in plan.segments:
            rows = slice(segment.start, segment.end)
            small = torch.mm(inputs[rows], views.down[segment.slot, : rank * parts].t())
            pieces = small.view(-1, rank, parts).unbind(2)
            for part, up, (low, high) in zip(pieces, views.ups, views.columns, strict=True):
                outputs[rows, low:high].addmm_(part, up[segment.slot, :rank])
