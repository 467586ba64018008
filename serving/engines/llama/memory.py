"""Zeroed memory that costs nothing until it is used, and can be handed back in part."""

import math
import mmap

import torch

PAGE_BYTES = mmap.PAGESIZE


class Slabs:
    """``count`` equal slabs of ``elements`` numbers each, zero at first.

    On the CPU they lie in anonymous memory: a page is taken at its first write, and ``clear``
    returns it, so a slab of low rank costs what it holds. ``tensor`` has shape
    (count, stride elements) with ``stride >= elements``, each slab starting on a page.
    """

    def __init__(
        self, count: int, elements: int, *, dtype: torch.dtype, device: torch.device
    ) -> None:
        per_page = PAGE_BYTES // dtype.itemsize
        self.stride = math.ceil(elements / per_page) * per_page
        self._stride_bytes = self.stride * dtype.itemsize
        self._map: mmap.mmap | None = None
        if device.type == "cpu":
            self._map = mmap.mmap(-1, max(count * self._stride_bytes, PAGE_BYTES))
            flat = torch.frombuffer(self._map, dtype=dtype, count=count * self.stride)
            self.tensor = flat.view(count, self.stride)
        else:
            self.tensor = torch.zeros(count, self.stride, dtype=dtype, device=device)

    def release_pages(self, index: int) -> None:
        """Hand the pages of slab ``index`` back; they read as zeros afterwards.

        The caller has overwritten what it used: the kernel clears a returned page only when
        somebody else gets it.
        """
        if self._map is not None:
            start = index * self._stride_bytes
            self._map.madvise(mmap.MADV_DONTNEED, start, self._stride_bytes)
