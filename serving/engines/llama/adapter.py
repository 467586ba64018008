"""Reading a PEFT package folder into the matrices that a slot takes; refusals name the cause."""

import json
from collections.abc import Mapping
from pathlib import Path

import torch

from registry.domain.peft import (
    AdapterConfigInvalid,
    ModulePlan,
    expand_targets,
    parse_config,
    tensor_name,
    tensor_problems,
)
from registry.domain.peft_support import ConfigProblem, unsupported_features
from registry.domain.safetensors_header import Header, HeaderInvalid, TensorInfo, read_header
from serving.engines.errors import AdapterUnloadable
from serving.engines.llama.slab import AdapterMatrices

CONFIG_FILE = "adapter_config.json"
WEIGHTS_FILE = "adapter_model.safetensors"
_DTYPES = {"F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16}


def read_adapter(
    folder: Path,
    shapes: Mapping[str, tuple[int, int]],
    *,
    max_rank: int,
    servable: frozenset[str],
) -> dict[str, AdapterMatrices]:
    """Module path → matrices in f32, scale folded into B, every number finite.

    ``shapes``: the base's modules (out, in); ``servable``: those that the engine can adapt. The
    weights are read only after config and header have been found to fit, so that the file's size
    is bounded by the base's shapes and ``max_rank``.

    Raises:
        AdapterUnloadable: the message names the feature, module or tensor.
    """
    plans = _plans(folder, shapes, max_rank=max_rank, servable=servable)
    file = folder / WEIGHTS_FILE
    try:
        with file.open("rb") as stream:
            header = read_header(stream, size_bytes=file.stat().st_size)
            _require_fit(header, plans, shapes)
            data = bytearray(header.size_bytes - header.data_start)
            if stream.readinto(data) != len(data):
                raise AdapterUnloadable(f"{WEIGHTS_FILE} ends early", fix="Fetch it again.")
    except OSError as error:
        raise AdapterUnloadable(f"{WEIGHTS_FILE} can't be read", fix="Fetch it again.") from error
    except HeaderInvalid as error:
        raise AdapterUnloadable(f"{WEIGHTS_FILE}: {error.message}", fix=error.fix) from error
    return {path: _matrices(plan, header, data) for path, plan in plans.items()}


def _plans(
    folder: Path,
    shapes: Mapping[str, tuple[int, int]],
    *,
    max_rank: int,
    servable: frozenset[str],
) -> dict[str, ModulePlan]:
    try:
        raw = json.loads((folder / CONFIG_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise AdapterUnloadable(
            f"{CONFIG_FILE} can't be read", fix="Save the adapter again with PEFT."
        ) from error
    if not isinstance(raw, dict):
        raise AdapterUnloadable(f"{CONFIG_FILE} holds no object", fix="Save it again with PEFT.")
    _refuse(unsupported_features(raw))
    try:
        config = parse_config(raw)
    except AdapterConfigInvalid as error:
        raise AdapterUnloadable(error.message, fix=error.fix, errors=error.errors) from error
    plans = expand_targets(config, shapes)
    if not plans:
        raise AdapterUnloadable(
            "target_modules names no module of this base", fix="Choose the base it was made for."
        )
    for path, plan in plans.items():
        if path not in servable:
            raise AdapterUnloadable(
                f"the target {path} is not supported (linear layers of the blocks are)",
                fix="Retrain without it.",
            )
        if plan.rank > max_rank:
            raise AdapterUnloadable(
                f"{path} has rank {plan.rank}, this node takes up to {max_rank}",
                fix=f"Start the node with --max-rank {plan.rank}, or retrain with a lower rank.",
            )
    return plans


def _refuse(problems: list[ConfigProblem]) -> None:
    if problems:
        raise AdapterUnloadable(
            "; ".join(problem.message for problem in problems[:5]),
            fix=problems[0].fix,
            errors=[problem.as_error() for problem in problems],
        )


def _require_fit(
    header: Header, plans: Mapping[str, ModulePlan], shapes: Mapping[str, tuple[int, int]]
) -> None:
    _refuse(tensor_problems(header.shapes, plans, shapes))
    for info in header.tensors.values():
        if info.dtype not in _DTYPES:
            raise AdapterUnloadable(
                f"{info.name} has dtype {info.dtype}, F32, F16 and BF16 are supported",
                fix="Save the adapter in one of these.",
            )


def _matrices(plan: ModulePlan, header: Header, data: bytearray) -> AdapterMatrices:
    down_info = header.tensors[tensor_name(plan.module, "A")]
    up_info = header.tensors[tensor_name(plan.module, "B")]
    down = _tensor(down_info, header, data)
    up = _tensor(up_info, header, data) * plan.scale
    for info, tensor in ((down_info, down), (up_info, up)):
        if not bool(torch.isfinite(tensor).all()):
            raise AdapterUnloadable(
                f"{info.name} holds numbers that are not finite (scale {plan.scale:g})",
                fix="Training diverged: use an earlier checkpoint.",
            )
    return AdapterMatrices(down=down, up=up)


def _tensor(info: TensorInfo, header: Header, data: bytearray) -> torch.Tensor:
    raw = torch.frombuffer(
        data,
        dtype=_DTYPES[info.dtype],
        count=info.shape[0] * info.shape[1],
        offset=info.start - header.data_start,
    )
    return raw.view(info.shape).float()
