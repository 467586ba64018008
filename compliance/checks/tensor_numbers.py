"""Numbers inside tensors, read piece by piece: bad ones are counted, updates are measured."""

from collections.abc import Iterator, Mapping, Sequence
from math import sqrt
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from compliance.domain.snapshot import TensorFacts, UpdateFacts
from registry.domain.peft import module_of
from registry.domain.safetensors_header import Header, TensorInfo

PIECE_BYTES = 4 << 20
MATRIX_BYTES = 64 << 20
"""A larger A or B is not measured: no rank that an engine serves comes to that."""
RANK_MAXIMUM = 256
"""Above it eigenvalues take seconds a module; no engine serves such a rank."""
F16_END = 65504.0
_READ_AS: Mapping[str, str] = {"F32": "<f4", "F16": "<f2", "BF16": "<u2"}

Floats = NDArray[np.float32]


def tensor_facts(stream: BinaryIO, info: TensorInfo) -> TensorFacts:
    """Counts of NaN, infinite, very large and nonzero numbers of one tensor, in 4 MiB pieces."""
    facts: TensorFacts = {
        "name": info.name,
        "dtype": info.dtype,
        "shape": list(info.shape),
        "nan": None,
        "inf": None,
        "overflow": None,
        "nonzero": None,
    }
    if info.dtype not in _READ_AS:
        return facts
    nan = inf = overflow = nonzero = 0
    for piece in _pieces(stream, info):
        finite = np.isfinite(piece)
        values = piece
        if not finite.all():
            nan_here = int(np.isnan(piece).sum())
            nan += nan_here
            inf += int(piece.size - finite.sum()) - nan_here
            values = piece[finite]
        if values.size and (values.max() >= F16_END or values.min() <= -F16_END):
            overflow += int(np.count_nonzero(np.abs(values) >= F16_END))
        nonzero += int(np.count_nonzero(values != 0))
    counts: TensorFacts = {
        **facts,
        "nan": nan,
        "inf": inf,
        "overflow": overflow,
        "nonzero": nonzero,
    }
    return counts


def update_facts(
    stream: BinaryIO, header: Header, tensors: Sequence[TensorFacts]
) -> list[UpdateFacts]:
    """Frobenius norm and stable rank of B @ A for each module that has both matrices.

    With the small Gram matrices AAᵀ and BᵀB (rank × rank) the squared singular values of B @ A are
    the eigenvalues of their product, so the large matrix itself is never formed.
    """
    clean = {fact["name"] for fact in tensors if fact["nan"] == 0 and fact["inf"] == 0}
    pairs: dict[str, dict[str, TensorInfo]] = {}
    for info in header.tensors.values():
        place = module_of(info.name)
        if place is not None:
            pairs.setdefault(place[0], {})[place[1]] = info
    updates: list[UpdateFacts] = []
    for module, sides in sorted(pairs.items()):
        if len(sides) < 2 or not _fit(sides["A"], sides["B"]):
            continue
        a, b = sides["A"], sides["B"]
        if a.name not in clean or b.name not in clean:
            updates.append({"module": module, "norm": None, "stable_rank": None})
            continue
        norm, stable_rank = _size(_gram_of_rows(stream, a), _gram_of_columns(stream, b))
        updates.append(
            {"module": module, "norm": f"{norm:.6g}", "stable_rank": f"{stable_rank:.4g}"}
        )
    return updates


def _fit(a: TensorInfo, b: TensorInfo) -> bool:
    return (
        len(a.shape) == 2
        and len(b.shape) == 2
        and a.shape[0] == b.shape[1]
        and 1 <= a.shape[0] <= RANK_MAXIMUM
        and max(a.end - a.start, b.end - b.start) <= MATRIX_BYTES
    )


def _size(gram_a: NDArray[np.float64], gram_b: NDArray[np.float64]) -> tuple[float, float]:
    squares = np.clip(np.linalg.eigvals(gram_b @ gram_a).real, 0.0, None)
    total, largest = float(squares.sum()), float(squares.max())
    return (sqrt(total), total / largest) if largest > 0 else (0.0, 0.0)


def _gram_of_rows(stream: BinaryIO, info: TensorInfo) -> NDArray[np.float64]:
    """AAᵀ of A (rank × in)."""
    matrix = np.concatenate(list(_pieces(stream, info)) or [np.zeros(0, np.float32)])
    wide = matrix.reshape(info.shape).astype(np.float64)
    return wide @ wide.T


def _gram_of_columns(stream: BinaryIO, info: TensorInfo) -> NDArray[np.float64]:
    """BᵀB of B (out × rank)."""
    matrix = np.concatenate(list(_pieces(stream, info)) or [np.zeros(0, np.float32)])
    tall = matrix.reshape(info.shape).astype(np.float64)
    return tall.T @ tall


def _pieces(stream: BinaryIO, info: TensorInfo) -> Iterator[Floats]:
    stream.seek(info.start)
    left = info.end - info.start
    while left > 0:
        raw = stream.read(min(PIECE_BYTES, left))
        if not raw:
            raise EOFError(f"{info.name} ends early: the file was cut while it was read")
        left -= len(raw)
        values = np.frombuffer(raw, dtype=_READ_AS[info.dtype])
        if info.dtype == "BF16":
            # A bfloat16 is the upper half of a float32.
            yield (values.astype(np.uint32) << 16).view(np.float32)
        else:
            yield values.astype(np.float32, copy=False)
