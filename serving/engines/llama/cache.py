"""Keys and values of the rows in flight; each row has memory of its own."""

import torch

from serving.engines.llama.config import LlamaConfig
from serving.engines.llama.memory import Slabs


class KvCache:
    """Room for ``rows`` rows of up to ``length`` tokens.

    ``keys`` and ``values``: layers × rows × kv_heads × length × head_dim. Pages are taken as rows
    grow. A freed row is overwritten with zeros at once: what a patient's text left behind goes,
    and a non-finite leftover could otherwise reach the next row through masked attention
    (0 * NaN is NaN).
    """

    def __init__(
        self,
        config: LlamaConfig,
        *,
        rows: int,
        length: int,
        dtype: torch.dtype,
        device: torch.device,
    ) -> None:
        shape = (config.layers, rows, config.kv_heads, length, config.head_dim)
        elements = config.layers * rows * config.kv_heads * length * config.head_dim
        self._memory = Slabs(2, elements, dtype=dtype, device=device)
        self.keys = self._memory.tensor[0, :elements].view(shape)
        self.values = self._memory.tensor[1, :elements].view(shape)
        self._free = list(range(rows))

    def take(self) -> int | None:
        """The lowest free row, which keeps the rows in use together; None when all are taken."""
        if not self._free:
            return None
        lowest = min(self._free)
        self._free.remove(lowest)
        return lowest

    def free(self, row: int, *, used: int) -> None:
        """Overwrite the ``used`` first positions of ``row`` and free it."""
        self.keys[:, row, :, :used].zero_()
        self.values[:, row, :, :used].zero_()
        self._free.append(row)
