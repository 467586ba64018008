"""Where an adapter of the demo comes from, in the words of its PROVENANCE.json."""

import json
import platform
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

from config.core.digests import sha256_file
from demo import generate
from demo import model as models
from demo.lessons import Lesson
from demo.packages import package_folder
from registry.sources.packaged_base import MARKER


def provenance(
    name: str, plan: Lesson, package: Path, *, training: Mapping[str, Any], seconds: float
) -> dict[str, Any]:
    """Where the package comes from: data, base, parameters, libraries, duration in seconds."""
    marker = json.loads((models.BASE / MARKER).read_text())
    return {
        "adapter": name,
        "what": plan.story,
        "synthetic": "invented notes and rules; about nobody, advice for nobody",
        "base": {"name": models.BASE_NAME, "gguf_sha256": marker["gguf_sha256"]},
        "parent": plan.parent,
        "parent_sha256": {
            path.name: sha256_file(path) for path in sorted(package_folder(plan.parent).iterdir())
        }
        if plan.parent
        else None,
        "data_sha256": {
            file: digest
            for digest, file in map(
                str.split, (generate.DATA / generate.SUMS).read_text().splitlines()
            )
        },
        "training": dict(training),
        "libraries": {
            "python": platform.python_version(),
            **{lib: metadata.version(lib) for lib in ("torch", "transformers", "peft", "gguf")},
        },
        "seconds": round(seconds, 1),
        "package_sha256": {path.name: sha256_file(path) for path in sorted(package.iterdir())},
    }
