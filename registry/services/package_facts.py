"""Reads what a stored package says about itself; a malformed one is a fact too, for the checks."""

import json
import math
from collections.abc import Mapping
from typing import Any

from registry.domain.packages import CONFIG_FILE, WEIGHTS_FILE, printable
from registry.domain.peft import AdapterConfigInvalid, parse_config
from registry.domain.safetensors_header import HeaderInvalid, read_header
from registry.models import Blob
from registry.services import blobs

MAX_CONFIG_BYTES = 1 << 20
MAX_HEADER_BYTES = 16 << 20


def read(files: Mapping[str, Blob]) -> dict[str, Any]:
    """Configuration and tensors in short: rank, alpha, targets, parameters, dtypes.

    ``problems`` lists what could not be read; judging it is the checks' work.
    """
    facts: dict[str, Any] = {"problems": []}
    if CONFIG_FILE in files:
        _read_config(files[CONFIG_FILE], facts)
    if WEIGHTS_FILE in files:
        _read_weights(files[WEIGHTS_FILE], facts)
    else:
        facts["problems"].append(f"There is no {WEIGHTS_FILE}.")
    return _storable(facts)


def _storable(value: Any) -> Any:
    """``value`` as databases take it: no NUL, no lone surrogate, no infinity."""
    if isinstance(value, str):
        return printable(value)[:500]
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, dict):
        return {key: _storable(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_storable(item) for item in value[:500]]
    return value


def _read_config(blob: Blob, facts: dict[str, Any]) -> None:
    if blob.size_bytes > MAX_CONFIG_BYTES:
        facts["problems"].append(f"{CONFIG_FILE} has {blob.size_bytes} bytes.")
        return
    try:
        with blobs.stream(blob) as stream:
            raw = json.loads(stream.read())
    except (ValueError, RecursionError):
        facts["problems"].append(f"{CONFIG_FILE} is not readable JSON.")
        return
    if not isinstance(raw, dict):
        facts["problems"].append(f"{CONFIG_FILE} holds no JSON object.")
        return
    try:
        config = parse_config(raw)
    except AdapterConfigInvalid as error:
        facts["problems"] += [str(row.get("message", ""))[:300] for row in error.errors[:20]]
        return
    targets = config.target_modules
    facts |= {
        "base_name": config.base_name or "",
        "rank": config.r,
        "max_rank": max([config.r, *config.rank_pattern.values()]),
        "alpha": config.alpha,
        "use_rslora": config.use_rslora,
        "target_modules": targets if isinstance(targets, str) else list(targets),
        "task_type": config.task_type or "",
    }


def _read_weights(blob: Blob, facts: dict[str, Any]) -> None:
    try:
        # Of the weights only the beginning is fetched.
        with blobs.stream(blob) as stream:
            header = read_header(
                stream,  # type: ignore[arg-type]
                size_bytes=blob.size_bytes,
                maximum_bytes=MAX_HEADER_BYTES,
            )
    except HeaderInvalid as error:
        facts["problems"].append(error.message[:300])
        return
    tensors = header.tensors.values()
    facts |= {
        "tensors": len(tensors),
        "parameters": sum(_count(info.shape) for info in tensors),
        "dtypes": sorted({info.dtype for info in tensors}),
    }


def _count(shape: tuple[int, ...]) -> int:
    count = 1
    for size in shape:
        count *= size
    return count
