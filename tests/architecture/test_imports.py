"""The import contracts hold, and they bite: each planted wrong import is caught by its contract."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ROOMS = ("config", "registry", "compliance", "serving", "deliveries")
LAYERS = "Rooms call down: deliveries, serving, compliance, registry, accounts, kernel"


def _lint(folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--no-cache"],
        cwd=folder,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(folder), "COLUMNS": "200"},
        check=False,
    )


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the code; every test leaves it as it found it."""
    folder = tmp_path_factory.mktemp("tree")
    for room in ROOMS:
        shutil.copytree(ROOT / room, folder / room, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", folder)
    return folder


def test_every_contract_is_kept() -> None:
    result = _lint(ROOT)
    assert result.returncode == 0, result.stdout[-3000:]
    assert "0 broken" in result.stdout


@pytest.mark.parametrize(
    ("file", "line", "contract"),
    [
        ("registry/selectors.py", "from serving import models as upward", LAYERS),
        ("config/core/errors.py", "import registry.models", LAYERS),
        ("config/accounts/selectors.py", "import compliance.services.audit", LAYERS),
        ("serving/services/answers.py", "import config.console.access", LAYERS),
        ("compliance/domain/merkle.py", "import django", "Pure rules know no Django"),
        (
            "serving/engines/base.py",
            "from django.conf import settings",
            "Plug-ins and the node know no Django",
        ),
        (
            "compliance/checks/sec_02_no_code.py",
            "import registry.models",
            "Plug-ins and the node know no Django",
        ),
        (
            "serving/sagemaker/shapes.py",
            "import django",
            "The SageMaker toolkit's core knows no Django",
        ),
        (
            "serving/strategies/canary.py",
            "from serving.models import Rollout",
            "Strategies and signals import no Django themselves",
        ),
        (
            "serving/analysis/failures.py",
            "import serving.engines",
            "Plug-in folders know nothing of each other",
        ),
        ("serving/states.py", "import compliance.tasks", "A room's outer doors are its own"),
        ("config/stack/ports.py", "import django", "The embedded services know no room"),
    ],
)
def test_a_planted_wrong_import_is_caught(tree: Path, file: str, line: str, contract: str) -> None:
    planted = tree / file
    before = planted.read_text()
    planted.write_text(f"{before}\n{line}\n")
    try:
        result = _lint(tree)
    finally:
        planted.write_text(before)
    assert result.returncode != 0
    assert f"{contract} BROKEN" in result.stdout
