"""What a machine can hold about the house: settings, errors, tables, plug-ins, reference."""

import importlib
import io
import pkgutil
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml
from django.apps import apps
from django.core.management import call_command

from config.core.errors import DomainError

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


def test_every_error_code_has_a_page() -> None:
    _import_everything()
    codes = {error.code for error in _all_subclasses(DomainError)}  # type: ignore[attr-defined]
    pages = {path.stem for path in (ROOT / "docs" / "problems").glob("*.md")}
    assert codes <= pages, f"missing pages: {sorted(codes - pages)}"
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
    written = yaml.safe_load((ROOT / "docs" / "reference" / "openapi.yaml").read_text())
    assert yaml.safe_load(target.read_text()) == written, "run `make schema` and commit"


@pytest.mark.parametrize(
    ("package", "listing"),
    [
        ("compliance.checks", "CHECKS"),
        ("serving.engines", "ENGINES"),
        ("serving.strategies", "STRATEGIES"),
    ],
)
def test_every_plug_in_is_listed(package: str, listing: str) -> None:
    module = importlib.import_module(package)
    listed = getattr(module, listing)
    items = listed.values() if isinstance(listed, dict) else listed
    homes = {getattr(item, "__module__", type(item).__module__) for item in items}
    assert homes, f"{package}.{listing} is empty"
    assert all(home.startswith(package) for home in homes)


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
