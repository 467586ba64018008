"""The package that a training ends with: weights, configuration, and where they come from."""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from peft import get_peft_model_state_dict
from safetensors.torch import save_file

from registry.domain.base_folder import BaseFacts
from registry.domain.packages import CONFIG_FILE, WEIGHTS_FILE
from registry.domain.peft import expand_targets, parse_config, tensor_problems
from registry.domain.training_parameters import TrainingParameters
from registry.training.base import TrainingImpossible, TrainingJob

PROVENANCE_FILE = "training.json"


def require_targets(parameters: TrainingParameters, facts: BaseFacts) -> None:
    """Refuse modules that the base has not, before anything is computed.

    Raises:
        TrainingImpossible: naming them.
    """
    present = {module.rsplit(".", 1)[-1] for module in facts.shapes}
    if missing := sorted(set(parameters.target_modules) - present):
        raise TrainingImpossible(
            f"The base has no modules {', '.join(missing)}.",
            fix="Name target_modules that it has.",
        )


def write_package(
    model: Any, job: TrainingJob, facts: BaseFacts, *, trained: Mapping[str, Any]
) -> dict[str, Path]:
    """Write the files, the same bytes each time, and look at them as a check would.

    Raises:
        TrainingImpossible: the tensors are not those that configuration and base ask for.
    """
    folder = job.folder / "package"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    tensors = {
        name: tensor.detach().cpu().contiguous()
        for name, tensor in sorted(
            get_peft_model_state_dict(model, save_embedding_layers=False).items()
        )
    }
    save_file(tensors, folder / WEIGHTS_FILE, metadata={"format": "pt"})
    raw = _config(model, job, folder)
    shapes = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
    config = parse_config(raw)
    problems = tensor_problems(shapes, expand_targets(config, facts.shapes), facts.shapes)
    if problems:
        raise TrainingImpossible(
            f"The adapter is not whole: {problems[0].message}", fix="Report this with the run's id."
        )
    provenance = {
        **job.provenance,
        "base": {"name": job.base_name, "sha256": job.base_digest},
        "parameters": job.parameters.as_json(),
        "seed": job.seed,
        "result": dict(trained),
    }
    (folder / PROVENANCE_FILE).write_text(json.dumps(provenance, indent=2, sort_keys=True) + "\n")
    return {name: folder / name for name in (CONFIG_FILE, WEIGHTS_FILE, PROVENANCE_FILE)}


def _config(model: Any, job: TrainingJob, folder: Path) -> dict[str, Any]:
    """adapter_config.json as PEFT writes it, its sets sorted, with the base's registered name."""
    config = model.peft_config["default"]
    config.base_model_name_or_path = job.base_name
    config.inference_mode = True
    config.save_pretrained(folder)
    raw: dict[str, Any] = json.loads((folder / CONFIG_FILE).read_text())
    raw["target_modules"] = sorted(raw["target_modules"])
    (folder / CONFIG_FILE).write_text(json.dumps(raw, indent=2, sort_keys=True) + "\n")
    return raw
