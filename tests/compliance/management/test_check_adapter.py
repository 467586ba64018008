"""manage.py check_adapter: exit codes, JSON, and no database with a folder.

Programs of its own exit with 0, 1 and 2 beside a database that can't be opened. What else can't
be checked ends in this process, where without ``django_db`` no database can be asked either.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from compliance.management.commands.check_adapter import Command
from registry.domain.base_folder import base_facts
from registry.models import BaseModel
from tests.faults.adapters import adapter_config, write_adapter
from tests.faults.faulty import FAULTS
from tests.faults.tiny_base import write_base

ROOT = Path(__file__).parents[3]


def check_adapter(home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command with a database that can't be opened."""
    environment = {
        key: value
        for key, value in os.environ.items()
        if key not in ("DATABASE_URL", "REDIS_URL", "FORMULARY_HOME", "FORMULARY_MODELS")
    }
    environment |= {
        "FORMULARY_HOME": str(home),
        "DATABASE_URL": "sqlite:////nowhere/at/all.sqlite3",
        "OMP_NUM_THREADS": "1",
    }
    return subprocess.run(
        [sys.executable, "manage.py", "check_adapter", *arguments],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def exit_code(arguments: list[str]) -> int:
    """What the program would end with; what it says goes to this process's outputs."""
    try:
        Command().run_from_argv(["manage.py", "check_adapter", *arguments])
    except SystemExit as ended:
        return int(ended.code or 0)
    return 0


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_base(tmp_path_factory.mktemp("base") / "tiny-llama")


def test_a_good_folder_exits_0_without_a_database(tmp_path: Path, base: Path) -> None:
    adapter = write_adapter(tmp_path / "a")
    done = check_adapter(tmp_path, str(adapter), "--base", str(base), "--json")
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["verdict"] == "pass"
    assert {finding["id"] for finding in report["findings"]} >= {"TEC-01", "SEC-01", "HIP-06"}


def test_a_faulty_folder_exits_1_and_says_how_to_mend_it(tmp_path: Path, base: Path) -> None:
    adapter = FAULTS["pickle"].make(tmp_path / "a")
    done = check_adapter(tmp_path, str(adapter), "--base", str(base))
    assert done.returncode == 1
    for word in ("Blocking", "SEC-01", "posix.system", "save_file", "Verdict: blocked"):
        assert word in done.stdout
    assert not (tmp_path / "EXECUTED").exists()


def test_what_can_not_be_checked_exits_2_and_says_why(tmp_path: Path, base: Path) -> None:
    """Where the database can't be opened, a name of a base leads to none."""
    adapter = write_adapter(tmp_path / "a")
    done = check_adapter(tmp_path, str(adapter), "--base", "nothing-of-that-name")
    assert done.returncode == 2, done.stdout
    assert "Give the folder of the base model" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["{adapter}"], "--base"),
        (["{home}/none", "--base", "{base}"], "neither a folder nor a ZIP"),
        (["{adapter}", "--base", "{adapter}"], "lacks config.json"),
        (["", "--base", "{base}"], "PATH is empty"),
        (["{adapter}", "--base", " "], "--base is empty"),
        (["{adapter}/adapter_config.json", "--base", "{base}"], "no ZIP archive"),
    ],
)
def test_each_reason_is_an_error_with_exit_2(
    arguments: list[str],
    words: str,
    tmp_path: Path,
    base: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    adapter = write_adapter(tmp_path / "a")
    places = {"adapter": str(adapter), "base": str(base), "home": str(tmp_path)}
    assert exit_code([word.format(**places) for word in arguments]) == 2
    said = capsys.readouterr()
    assert words in said.err
    assert "Traceback" not in said.err and not said.out


def test_a_base_in_the_products_own_folder_is_found_by_name(tmp_path: Path) -> None:
    write_base(tmp_path / "models" / "tiny-llama")
    adapter = write_adapter(tmp_path / "a")
    done = check_adapter(tmp_path, str(adapter), "--base", "tiny-llama", "--json")
    assert done.returncode == 0, done.stderr


def test_an_archive_that_is_cut_off_is_a_finding_on_a_package(
    tmp_path: Path, base: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_adapter(tmp_path / "a")
    whole = Path(shutil.make_archive(str(tmp_path / "a"), "zip", tmp_path / "a"))
    whole.write_bytes(whole.read_bytes()[:-100])
    assert exit_code([str(whole), "--base", str(base)]) == 1
    assert "SEC-01" in capsys.readouterr().out


@pytest.mark.django_db
@pytest.mark.parametrize("name", ["tiny", "acme/tiny-llama"])
def test_a_registered_base_is_found_by_each_of_its_names(
    name: str, tmp_path: Path, base: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    facts = base_facts(base)
    BaseModel.objects.create(
        slug="tiny",
        folder=str(base),
        digest=facts.digest,
        declared_names=["acme/tiny-llama"],
        facts=facts.as_json(),
    )
    config = adapter_config(base_model_name_or_path="acme/tiny-llama")
    adapter = write_adapter(tmp_path / "a", config=config)
    call_command("check_adapter", str(adapter), "--base", name, "--json")
    assert json.loads(capsys.readouterr().out)["verdict"] == "pass"


@pytest.mark.django_db
def test_a_base_that_nobody_registered_exits_2(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="neither a folder nor a registered") as refused:
        call_command("check_adapter", str(write_adapter(tmp_path / "a")), "--base", "unknown")
    assert refused.value.returncode == 2
