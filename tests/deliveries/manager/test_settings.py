"""What the environment says, read as the process reads it at its start."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from environ import ImproperlyConfigured

from tests.factories.settings import settings_read_anew

ROOT = Path(__file__).resolve().parents[3]
Read = Callable[..., dict[str, Any]]
# On a SQLite file that nobody has made before: the whole way of an entry.
FIRST_START = """
import django
django.setup()
from django.conf import settings
from django.core.management import call_command
from django.db import connection
assert connection.vendor == "sqlite"
for room in ("compliance", "deliveries"):  # with the rooms below; all of them take a while
    call_command("migrate", room, verbosity=0)
from config.core.actors import SYSTEM
from deliveries.selectors.entries import listed
from deliveries.services import compositions, entries
folder = settings.LORA_FILE_ROOTS[0]
folder.mkdir(parents=True)
(folder / "a").write_bytes(b"weights")
values = {"name": "a", "file_path": str(folder / "a"), "tags": ["x", "y"], "active": True}
entries.register(values=values, user=None, actor=SYSTEM)
[found] = listed(tag="y", is_active=True)
print(found.tags, compositions.compose(prefix="p", actor=SYSTEM).prompt)
"""


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Read:
    """The settings of a process with these variables."""

    def run(**variables: str) -> dict[str, Any]:
        monkeypatch.setenv("FORMULARY_HOME", str(tmp_path))
        for name in ("STORAGE_TYPE", "S3_ENDPOINT", "S3_ENDPOINT_URL"):
            monkeypatch.delenv(name, raising=False)
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        return settings_read_anew()

    return run


def test_the_defaults_mirror_nothing_and_allow_one_folder_L24_L35_L36(
    read: Read, tmp_path: Path
) -> None:
    found = read()
    assert found["METADATA_SYNC"] is False
    assert found["METADATA_BUCKET"] == "lora-metadata"
    assert found["METADATA_PREFIX"] == "metadata"
    assert found["LORA_FILE_ROOTS"] == [tmp_path / "loras"]
    assert found["STORAGE_TYPE"] == "filesystem"
    assert found["STORAGES"]["blobs"]["OPTIONS"]["location"] == tmp_path / "blobs"
    assert found["COMPOSE_TOKEN_FORMAT"] == "<lora:{name}:{weight:.3f}>"


def test_the_metadata_store_is_s3_or_the_start_ends_L34(read: Read) -> None:
    assert read(METADATA_STORAGE="s3", METADATA_SYNC="true")["METADATA_SYNC"] is True
    with pytest.raises(ImproperlyConfigured, match="METADATA_STORAGE"):
        read(METADATA_STORAGE="ftp")


def test_bucket_prefix_and_switch_come_from_the_environment_L33_L35_L36(read: Read) -> None:
    found = read(METADATA_SYNC="true", METADATA_BUCKET="b", METADATA_PREFIX="")
    assert (found["METADATA_SYNC"], found["METADATA_BUCKET"]) == (True, "b")
    assert found["METADATA_PREFIX"] == ""


def test_the_mode_is_local_or_s3_L37(read: Read) -> None:
    assert read(STORAGE_TYPE="local")["STORAGE_TYPE"] == "filesystem"
    found = read(STORAGE_TYPE="s3", LORA_S3_BUCKETS="a,b")
    assert (found["STORAGE_TYPE"], found["LORA_S3_BUCKETS"]) == ("s3", ["a", "b"])
    with pytest.raises(ImproperlyConfigured, match="STORAGE_TYPE"):
        read(STORAGE_TYPE="tape")


@pytest.mark.parametrize("name", ["S3_ENDPOINT", "S3_ENDPOINT_URL"])
def test_the_endpoint_has_two_names_L38(read: Read, name: str) -> None:
    assert read()["METADATA_S3_ENDPOINT"] == ""
    assert read(**{name: "http://store:9000"})["METADATA_S3_ENDPOINT"] == "http://store:9000"


def test_a_validator_needs_address_and_key_L41_L42(read: Read) -> None:
    address = "https://validator.example/check"
    found = read(CIVITAI_VALIDATE_URL=address, CIVITAI_API_KEY="k")
    assert (found["CIVITAI_VALIDATE_URL"], found["CIVITAI_API_KEY"]) == (address, "k")
    with pytest.raises(ImproperlyConfigured, match="CIVITAI_API_KEY"):
        read(CIVITAI_VALIDATE_URL=address, CIVITAI_API_KEY="")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("COMPOSE_NULL_ORDINAL", "first"),
        ("COMPOSE_TOKEN_FORMAT", "<lora:{name}>"),
        ("COMPOSE_RATE_PER_MINUTE", "0"),
        ("LORA_FILE_ROOTS", "relative/folder"),
        ("METADATA_PREVIEW_SECONDS", "604801"),
    ],
)
def test_a_value_that_can_not_be_is_named_at_start(read: Read, name: str, value: str) -> None:
    with pytest.raises(ImproperlyConfigured, match=name):
        read(**{name: value})


def test_the_database_is_made_at_the_first_start_L18_L20(tmp_path: Path) -> None:
    kept = {key: value for key, value in os.environ.items() if not key.endswith("_URL")}
    ended = subprocess.run(
        [sys.executable, "-c", FIRST_START],
        cwd=ROOT,
        env={
            **kept,
            "DJANGO_SETTINGS_MODULE": "config.settings",
            "FORMULARY_HOME": str(tmp_path / "home"),
        },
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr[-3000:]
    assert ended.stdout.strip() == "['x', 'y'] p <lora:a:1.000>"
    assert (tmp_path / "home" / "formulary.sqlite3").is_file()
