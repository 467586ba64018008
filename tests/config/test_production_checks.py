"""Each unsafe setting stops a production installation by name; safe ones pass in silence."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.test import override_settings

from config.core.system_checks import check_production

ROOT = Path(__file__).resolve().parents[2]
SAFE = {
    "FORMULARY_ENV": "production",
    "FORMULARY_HOME": "/srv/formulary",
    "CHECKPOINT_FOLDER": "/checkpoints",
    "SECRET_KEY": "a-key-for-this-test-alone-that-signs-nothing-0123456789",
    "ALLOWED_HOSTS": "formulary.example",
    "DATABASE_URL": "postgres://formulary:x@database.example:5432/formulary",
    "REDIS_URL": "redis://:x@broker.example:6379/0",
}
UNSAFE = {
    "E002": {"ALLOWED_HOSTS": "formulary.example,*"},
    "E003": {"SECURE_SSL_REDIRECT": "false"},
    "E004": {"SECURE_HSTS_SECONDS": "3600"},
    "E005": {"SESSION_COOKIE_SECURE": "false"},
    "E006": {"DATABASE_URL": ""},
    "E007": {"REDIS_URL": ""},
    "E008": {"FORMULARY_FAILPOINTS": "/tmp/failpoints"},
    "E009": {"SECURE_PROXY_SSL_HEADER": "X-Forwarded-Proto"},
    "W001": {"CHECKPOINT_FOLDER": ""},
}


def _check(**env: str) -> subprocess.CompletedProcess[str]:
    kept = {key: value for key, value in os.environ.items() if key in {"PATH", "HOME", "LANG"}}
    return subprocess.run(
        [sys.executable, "manage.py", "check", "--tag", "security", "--fail-level", "WARNING"],
        cwd=ROOT,
        env={**kept, **env},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_safe_settings_pass() -> None:
    ended = _check(**SAFE)
    assert ended.returncode == 0, ended.stderr
    assert "formulary." not in ended.stderr


def test_every_unsafe_setting_is_named_with_a_hint() -> None:
    ended = _check(**SAFE | {key: value for env in UNSAFE.values() for key, value in env.items()})
    assert ended.returncode != 0
    for number in UNSAFE:
        assert f"(formulary.{number})" in ended.stderr
    assert ended.stderr.count("HINT:") >= len(UNSAFE)


@pytest.mark.parametrize(
    ("number", "setting", "value"),
    [
        ("E001", "DEBUG", True),
        ("E002", "ALLOWED_HOSTS", ["*"]),
        ("E003", "SECURE_SSL_REDIRECT", False),
        ("E004", "SECURE_HSTS_SECONDS", 31535999),
        ("E005", "SESSION_COOKIE_SECURE", False),
        ("E006", "DATABASES", {"default": {"ENGINE": "django.db.backends.sqlite3"}}),
        ("E007", "REDIS_URL", ""),
        ("E009", "SECURE_PROXY_SSL_HEADER", ("HTTP_X_FORWARDED_PROTO", "https")),
        ("W002", "TRUSTED_PROXY_COUNT", 1),
        ("W001", "CHECKPOINT_FOLDER", Path("/srv/formulary/checkpoints")),
        ("W001", "CHECKPOINT_FOLDER", Path("checkpoints")),
    ],
)
@pytest.mark.filterwarnings("ignore:Overriding setting DATABASES")
def test_an_unsafe_setting_alone_is_named_alone(number: str, setting: str, value: object) -> None:
    def found(**changes: object) -> list[str | None]:
        with override_settings(**{**safe, **changes}):
            return [message.id for message in check_production(None)]

    safe = {
        "FORMULARY_ENV": "production",
        "DEBUG": False,
        "ALLOWED_HOSTS": ["formulary.example"],
        "SECURE_SSL_REDIRECT": True,
        "SECURE_HSTS_SECONDS": 31536000,
        "SESSION_COOKIE_SECURE": True,
        "DATABASES": {"default": {"ENGINE": "django.db.backends.postgresql"}},
        "REDIS_URL": "redis://broker.example/0",
        "SECURE_PROXY_SSL_HEADER": None,
        "TRUSTED_PROXY_COUNT": 0,
        "FORMULARY_HOME": Path("/srv/formulary"),
        "CHECKPOINT_FOLDER": Path("/checkpoints"),
    }
    assert found() == []
    assert found(**{setting: value}) == [f"formulary.{number}"]
    assert found(FORMULARY_ENV="development", **{setting: value}) == []


def test_production_does_not_start_without_a_secret_key() -> None:
    ended = _check(**{key: value for key, value in SAFE.items() if key != "SECRET_KEY"})
    assert ended.returncode != 0
    assert "SECRET_KEY is not set" in ended.stderr


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("FORMULARY_ENV", "staging", "FORMULARY_ENV is 'staging'"),
        ("STORAGE_TYPE", "tape", "STORAGE_TYPE is 'tape'"),
        ("UPLOAD_MAX_BYTES", "4G", "UPLOAD_MAX_BYTES"),
        ("SECURE_PROXY_SSL_HEADER", "X-Forwarded-Proto: https", "the name of a header"),
    ],
)
def test_a_value_that_can_not_be_read_names_its_key(key: str, value: str, said: str) -> None:
    ended = _check(**SAFE | {key: value})
    assert ended.returncode != 0
    assert said in ended.stderr


def test_development_is_not_bothered(tmp_path: Path) -> None:
    ended = _check(FORMULARY_HOME=str(tmp_path))
    assert ended.returncode == 0, ended.stderr
