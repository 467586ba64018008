"""``manage.py import_base``."""

import shutil
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from registry.domain.base_folder import BaseFacts, base_facts
from registry.models import BaseModel
from tests.factories import registry as make

pytestmark = pytest.mark.django_db


def _import(*arguments: Any) -> str:
    out = StringIO()
    call_command("import_base", *arguments, stdout=out, stderr=StringIO())
    return out.getvalue()


def test_a_folder_is_registered_with_digest_names_and_shapes(tmp_path: Path) -> None:
    folder = make.base_folder(tmp_path / "base")
    text = _import(folder, "--slug", "tiny", "--name", "hub/tiny", "--licence", "MIT")
    base = BaseModel.objects.get()
    assert text.startswith(f"tiny {base.digest}\n")
    assert base.digest == base_facts(folder).digest
    assert base.declared_names == ["tiny", "hub/tiny", str(folder)]
    facts = BaseFacts.from_json(base.facts)
    assert facts.shapes["model.layers.0.self_attn.q_proj"] == (make.HIDDEN, make.HIDDEN)
    assert base.licence == "MIT"


def test_it_may_be_repeated_and_follows_the_folder(tmp_path: Path) -> None:
    folder = make.base_folder(tmp_path / "base")
    _import(folder, "--slug", "tiny", "--name", "hub/tiny")
    moved = shutil.copytree(folder, tmp_path / "moved")
    _import(moved, "--slug", "tiny", "--name", "other/tiny")
    base = BaseModel.objects.get()
    assert base.folder == str(moved)
    assert base.declared_names == ["tiny", "hub/tiny", "other/tiny", str(moved)]


def test_other_bytes_under_a_name_are_refused(tmp_path: Path) -> None:
    first = make.base_folder(tmp_path / "a", seed=1)
    other = make.base_folder(tmp_path / "b", seed=2)
    _import(first, "--slug", "tiny", "--name", "hub/tiny")
    with pytest.raises(CommandError, match="another slug"):
        _import(other, "--slug", "tiny")
    with pytest.raises(CommandError, match="registered as 'tiny'"):
        _import(first, "--slug", "tiny-2")
    with pytest.raises(CommandError, match="hub/tiny names the base model 'tiny'"):
        _import(other, "--slug", "tiny-2", "--name", "hub/tiny")
    assert BaseModel.objects.count() == 1


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "Give either"),
        (["FOLDER"], "needs --slug"),
        (["EMPTY", "--slug", "x"], "lacks config.json"),
        (["FOLDER", "--slug", "X Y"], "can't be a slug"),
    ],
)
def test_what_is_wrong_is_said(tmp_path: Path, arguments: list[str], words: str) -> None:
    (tmp_path / "empty").mkdir()
    places = {"FOLDER": make.base_folder(tmp_path / "base"), "EMPTY": tmp_path / "empty"}
    with pytest.raises(CommandError, match=words):
        _import(*(places.get(argument, argument) for argument in arguments))


def test_the_packaged_base_is_registered_from_the_models_folder(settings: Any) -> None:
    folder = Path(settings.MODELS_FOLDER) / "smollm2-135m"
    text = _import("--packaged", "smollm2-135m")
    base = BaseModel.objects.get()
    assert text.startswith("smollm2-135m ")
    assert base.declared_names == [
        "smollm2-135m",
        "HuggingFaceTB/SmolLM2-135M-Instruct",
        str(folder.resolve()),
    ]
