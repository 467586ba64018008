"""What a machine can hold about the house: settings, errors, tables, plug-ins, reference."""

import ast
import importlib
import inspect
import io
import os
import pkgutil
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest
from django.apps import apps
from django.core.management import call_command
from rest_framework.exceptions import APIException

from compliance.domain.check import Check
from config.core.errors import DomainError
from deliveries.channels.base import Channel
from registry.training.base import Trainer
from serving.analysis.base import Signal
from serving.engines.base import Engine
from serving.strategies.base import Strategy
from tests.factories.reference import parsed, reference

ROOT = Path(__file__).resolve().parents[2]
ROOMS = ("accounts", "registry", "compliance", "serving", "deliveries")


def _import_everything() -> None:
    for name in ("config", "registry", "compliance", "serving", "deliveries"):
        package = importlib.import_module(name)
        for module in pkgutil.walk_packages(package.__path__, f"{name}."):
            if "__main__" not in module.name and ".migrations" not in module.name:
                importlib.import_module(module.name)


def _all_subclasses(cls: type) -> set[type]:
    return {cls} | {leaf for child in cls.__subclasses__() for leaf in _all_subclasses(child)}


def _codes_in_calls() -> set[str]:
    """Codes that are given to a call as ``code="…"`` and not by an error class."""
    found = set()
    for folder in ("config", "registry", "compliance", "serving", "deliveries"):
        for path in (ROOT / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.keyword) and node.arg == "code":
                    given = node.value
                    choices = (
                        [given.body, given.orelse] if isinstance(given, ast.IfExp) else [given]
                    )
                    found |= {
                        choice.value
                        for choice in choices
                        if isinstance(choice, ast.Constant) and isinstance(choice.value, str)
                    }
    return found


def test_every_error_code_has_a_page() -> None:
    _import_everything()
    codes = {error.code for error in _all_subclasses(DomainError)}  # type: ignore[attr-defined]
    codes |= {error.default_code.replace("_", "-") for error in APIException.__subclasses__()}
    codes |= _codes_in_calls()
    pages = {path.stem for path in (ROOT / "docs" / "problems").glob("*.md")}
    assert len(codes) > 50
    assert codes <= pages, f"missing pages: {sorted(codes - pages)}"
    assert pages <= codes, f"pages of nothing: {sorted(pages - codes)}"
    for page in (ROOT / "docs" / "problems").glob("*.md"):
        assert len(page.read_text().split()) >= 15, f"{page.name} says too little"


@pytest.mark.django_db
def test_models_and_migrations_agree() -> None:
    call_command("makemigrations", "--check", "--dry-run", stdout=io.StringIO())


def test_rooms_above_are_not_reachable_through_reverse_accessors() -> None:
    """import-linter can't see reverse accessors of foreign keys; this test does."""
    wrong = []
    for model in apps.get_models():
        if model._meta.app_label not in ROOMS:
            continue
        for field in model._meta.get_fields():
            if not getattr(field, "many_to_one", False) or not field.concrete:
                continue
            other = field.related_model._meta.app_label
            is_cross_room = other in ROOMS and other != model._meta.app_label
            if is_cross_room and not field.remote_field.hidden:
                wrong.append(f"{model.__name__}.{field.name}")
    assert not wrong, f'these need related_name="+": {wrong}'


@pytest.mark.django_db
def test_the_api_reference_is_current(tmp_path: Path) -> None:
    target = tmp_path / "openapi.yaml"
    call_command("spectacular", "--file", str(target), "--fail-on-warn")
    made = parsed(target.read_text())
    assert made == reference(), "run `make schema` and commit"


PLUG_INS: list[tuple[str, str, type]] = [
    ("compliance.checks", "CHECKS", Check),
    ("serving.engines", "ENGINES", Engine),
    ("serving.strategies", "STRATEGIES", Strategy),
    ("registry.training", "TRAINERS", Trainer),
    ("serving.analysis", "SIGNALS", Signal),
    ("deliveries.channels", "CHANNELS", Channel),
]


@pytest.mark.parametrize(("package", "listing", "base"), PLUG_INS)
def test_every_plug_in_is_listed(package: str, listing: str, base: type) -> None:
    """Each class behind the base in the package's folder is in the list, and nothing else is."""
    module = importlib.import_module(package)
    for found in pkgutil.walk_packages(module.__path__, f"{package}."):
        importlib.import_module(found.name)
    written = {
        leaf
        for leaf in _all_subclasses(base)
        if leaf.__module__.startswith(f"{package}.") and not inspect.isabstract(leaf)
    }
    listed = getattr(module, listing)
    items = listed.values() if isinstance(listed, Mapping) else listed
    known = {
        item() if inspect.isfunction(item) else item if inspect.isclass(item) else type(item)
        for item in items
    }
    assert written
    assert written == known


def test_the_repository_names_no_machine() -> None:
    """No tracked text holds the path of a checkout or of somebody's home."""
    git = shutil.which("git")
    assert git, "git is needed to list the files"
    listing = subprocess.run(
        [git, "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    private = [f"{ROOT}/", f"{Path.home()}/"]
    wrong = []
    for name in listing.stdout.split():
        path = ROOT / name
        if path.suffix in {".png", ".safetensors"} or "vendor" in path.parts or not path.is_file():
            continue
        for number, line in enumerate(path.read_text(errors="ignore").splitlines(), 1):
            if any(part in line for part in private):
                wrong.append(f"{name}:{number}")
    assert not wrong, wrong


@pytest.mark.xdist_group("together")
def test_tests_of_one_group_run_on_one_worker(request: pytest.FixtureRequest) -> None:
    """pytest-xdist marks the ids of grouped tests; a pytest that it can't mark scatters them."""
    if "PYTEST_XDIST_WORKER" in os.environ and request.config.getoption("loadgroup"):
        assert request.node.nodeid.endswith("@together")
