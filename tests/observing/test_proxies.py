"""Behind a TLS proxy: the header that the setting names ends the redirect; no other one does."""

import json
import os
import subprocess
import sys

import pytest
from django.test import Client

from tests.architecture.environment import ROOT

PATH = "/docs/problems/conflict"
READ = (
    "import json, django; django.setup(); from django.conf import settings;"
    "print(json.dumps(settings.SECURE_PROXY_SSL_HEADER))"
)


def _status(**headers: str) -> int:
    return Client().get(PATH, headers=headers).status_code


@pytest.mark.parametrize(
    ("header", "read"), [("", None), ("X-Forwarded-Proto", ["HTTP_X_FORWARDED_PROTO", "https"])]
)
def test_the_setting_is_typed_and_off_by_default(header: str, read: object, tmp_path) -> None:
    env = {"DJANGO_SETTINGS_MODULE": "config.settings", "FORMULARY_HOME": str(tmp_path)}
    if header:
        env["SECURE_PROXY_SSL_HEADER"] = header
    kept = {key: value for key, value in os.environ.items() if key in {"PATH", "HOME", "LANG"}}
    ended = subprocess.run(
        [sys.executable, "-c", READ], cwd=ROOT, env={**kept, **env}, capture_output=True,
        text=True, check=True, timeout=60,
    )  # fmt: skip
    assert json.loads(ended.stdout) == read


def test_a_page_is_redirected_until_the_named_header_says_https(settings) -> None:
    settings.SECURE_SSL_REDIRECT = True
    claim = {"X-Forwarded-Proto": "https"}
    settings.SECURE_PROXY_SSL_HEADER = None
    assert (_status(), _status(**claim)) == (301, 301), "nobody's claim is believed"
    settings.SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    assert (_status(), _status(**claim)) == (301, 200)
    assert _status(**{"X-Forwarded-Proto": "http"}) == 301
    assert _status(**{"X-Forwarded-Ssl": "on"}) == 301
