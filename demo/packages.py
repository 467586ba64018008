"""Adapter packages: saved by PEFT, cast to float16, nothing else in the folder."""

import shutil
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

from demo import model as models
from demo.lessons import START

ADAPTERS = Path(__file__).parent / "adapters"
START_FOLDER = Path("var/models/demo-start")
CONFIG = "adapter_config.json"
WEIGHTS = "adapter_model.safetensors"


def package_folder(name: str) -> Path:
    """Where the package of adapter ``name`` lies: two files, ready to be uploaded.

    The start, from which v1 and v2 grow, is not shipped and lies with the models.
    """
    return START_FOLDER if name == START else ADAPTERS / name / "package"


def provenance_file(name: str) -> Path:
    """Where it is written down how adapter ``name`` came to be; outside its package."""
    return ADAPTERS / "start.json" if name == START else ADAPTERS / name / "PROVENANCE.json"


def save_package(model: Any, folder: Path) -> Path:
    """Write the adapter of ``model`` as PEFT does, halve its weights to float16, drop the rest.

    The config names the base by the name under which Formulary registers it, and is otherwise
    what ``save_pretrained`` wrote.
    """
    model.peft_config["default"].base_model_name_or_path = models.BASE_NAME
    shutil.rmtree(folder, ignore_errors=True)
    model.save_pretrained(folder, save_embedding_layers=False)
    weights = folder / WEIGHTS
    tensors = {key: value.to(torch.float16) for key, value in load_file(weights).items()}
    save_file(tensors, weights, metadata={"format": "pt"})
    for path in folder.iterdir():
        if path.name not in (CONFIG, WEIGHTS):  # PEFT's model card repeats what the label says
            path.unlink()
        else:
            path.chmod(0o644)
    return folder
