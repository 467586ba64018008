"""Wrong use, access, and how the command ends, without a server."""

import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from deliveries.cli.access import access_file, find_access
from deliveries.cli.endings import WrongUse
from deliveries.cli.main import main
from deliveries.cli.screen import Screen
from tests.factories import gateway as servers
from tests.factories import registry as make

from .conftest import folder_of

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def _nobody(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("FORMULARY_URL", raising=False)
    monkeypatch.delenv("FORMULARY_TOKEN", raising=False)


def _write_access(text: str, mode: int = 0o600) -> None:
    path = access_file()
    path.parent.mkdir(parents=True)
    path.write_text(text)
    path.chmod(mode)


def test_the_environment_goes_before_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    _write_access('url = "https://formulary.example/"\ntoken = "from-file"')
    assert find_access().url == "https://formulary.example"
    assert find_access().token == "from-file"
    monkeypatch.setenv("FORMULARY_TOKEN", "from-environment")
    assert find_access().token == "from-environment"
    assert find_access().url == "https://formulary.example"


@pytest.mark.parametrize(
    ("text", "mode", "words"),
    [
        ('url = "https://x"\ntoken = "t"', 0o644, "others may read"),
        ("url = ", 0o600, "can't be read"),
        ('url = "ftp://x"\ntoken = "t"', 0o600, "no http address"),
        ('url = "https://x"', 0o600, "no API token"),
        ('token = "t"', 0o600, "no address"),
        ('url = "https://x"\ntoken = "a\\nb"', 0o600, "odd characters"),
    ],
)
def test_access_that_is_none(text: str, mode: int, words: str) -> None:
    _write_access(text, mode)
    with pytest.raises(WrongUse, match=words):
        find_access()


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["push"],
        ["push", "x"],
        ["nothing"],
        ["stop", "x"],
        ["deploy", "a@b"],
        ["check", "a@b", "--timeout", "nan"],
        ["check", "a@b", "--timeout", "-1"],
    ],
)
def test_command_lines_that_are_none_end_with_2(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2


def test_wrong_use_ends_with_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["status"]) == 2
    assert main(["push", str(tmp_path), "--adapter", "x"]) == 2
    assert main(["check", "neither-path-nor-ref"]) == 2
    assert main(["status", "a@b\x1b[31m"]) == 2
    assert "Traceback" not in capsys.readouterr().err


def test_a_package_here_is_checked_without_a_server(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    base = make.base_folder(tmp_path / "tiny")
    good = folder_of(make.package(base_name="tiny"), tmp_path / "good")
    bad = folder_of(make.package(base_name="other"), tmp_path / "bad")
    assert main(["check", str(good), "--base", str(base)]) == 0
    assert "nothing blocks" in capsys.readouterr().out
    assert main(["check", str(bad), "--base", str(base)]) == 1
    assert "BLOCKS  TEC-06" in capsys.readouterr().out
    assert main(["check", str(good)]) == 2
    assert main(["check", str(good), "--base", str(tmp_path / "none")]) == 2
    assert main(["check", str(good), "--base", str(good)]) == 2
    assert main(["check", str(base / "config.json"), "--base", str(base)]) == 2


def test_what_the_server_says_is_not_the_terminals_master(
    capsys: pytest.CaptureFixture[str],
) -> None:
    Screen(is_json=False).result({}, ["red \x1b[31m", "fine"])
    assert capsys.readouterr().out == "red \\x1b[31m\nfine\n"


def test_ctrl_c_ends_with_130_and_no_traceback(tmp_path: Path) -> None:
    """A push that hashes a large file is interrupted as a terminal does it."""
    folder = folder_of(make.package(), tmp_path / "run")
    with (folder / "large.bin").open("wb") as stream:
        stream.truncate(4 << 30)  # the largest that is taken: seconds of hashing
    process = subprocess.Popen(
        [sys.executable, "-m", "deliveries.cli", "push", str(folder), "--adapter", "x"],
        cwd=ROOT,
        env={**os.environ, "FORMULARY_URL": "http://127.0.0.1:9", "FORMULARY_TOKEN": "t"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # A terminal's programs take its Ctrl-C; those of a job in the background are told not to.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    servers.until(lambda: _has_open(process.pid, folder / "large.bin"), seconds=60)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 130, errors
    assert "Traceback" not in errors


def _has_open(pid: int, path: Path) -> bool:
    with suppress(FileNotFoundError):
        return any(link.readlink() == path for link in Path(f"/proc/{pid}/fd").iterdir())
    return False


def test_django_is_never_imported() -> None:
    program = (
        "import sys; import deliveries.cli.main, deliveries.cli.package_checks;"
        "print([m for m in sys.modules if m.split('.')[0] in ('django', 'celery')])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
