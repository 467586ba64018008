"""What a node's engine would refuse at load, seen from configuration and header alone."""

import json
from pathlib import Path

from config.core.errors import DomainError, ErrorKind
from registry.domain.packages import CONFIG_FILE, WEIGHTS_FILE
from registry.domain.peft import module_of, parse_config
from registry.domain.peft_support import unsupported_features
from registry.domain.safetensors_header import read_header

MAX_CONFIG_BYTES = 1 << 20


class PreflightFailed(DomainError):
    """The package can't run on this node; the message says what to change."""

    code = "preflight-failed"
    title = "The package does not fit this node"
    kind = ErrorKind.UNPROCESSABLE


def check(folder: Path, *, max_rank: int) -> None:
    """Let a package folder pass that an engine with ``max_rank`` can load.

    Raises:
        PreflightFailed, AdapterConfigInvalid, HeaderInvalid: what is wrong, and how to mend it.
    """
    config_file, weights_file = folder / CONFIG_FILE, folder / WEIGHTS_FILE
    for file in (config_file, weights_file):
        if not file.is_file():
            raise PreflightFailed(f"{file.name} is missing.", fix="Submit a whole PEFT package.")
    if config_file.stat().st_size > MAX_CONFIG_BYTES:
        raise PreflightFailed(f"{CONFIG_FILE} has more than {MAX_CONFIG_BYTES} bytes.")
    try:
        raw = json.loads(config_file.read_bytes())
    except (ValueError, RecursionError) as error:
        raise PreflightFailed(f"{CONFIG_FILE} is not readable JSON.") from error
    if not isinstance(raw, dict):
        raise PreflightFailed(f"{CONFIG_FILE} holds no JSON object.")
    problems = unsupported_features(raw)
    if problems:
        raise PreflightFailed(problems[0].message + ".", fix=problems[0].fix)
    parse_config(raw)
    with weights_file.open("rb") as stream:
        header = read_header(stream, size_bytes=weights_file.stat().st_size)
    ranks = [
        shape[0]
        for name, shape in header.shapes.items()
        if (found := module_of(name)) is not None and found[1] == "A" and shape
    ]
    if max(ranks, default=0) > max_rank:
        raise PreflightFailed(
            f"Its rank is {max(ranks)}, this node takes up to {max_rank}.",
            fix=f"Start the node with --max-rank {max(ranks)}, or train with a smaller rank.",
        )
