"""PEFT loads a demo adapter straight from our server onto the packaged SmolLM2-135M."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.conf import settings

from config.accounts.roles import Role
from registry.models import Version
from registry.selectors import LIVE
from registry.sources.packaged_base import prepare_packaged_base
from serving.models import Download
from tests.factories import accounts, hub
from tests.factories import registry as make
from tests.factories.hub import WEIGHTS, Server

SCRIPT = Path(__file__).with_name("peft_client.py")
DEMO = Path(settings.BASE_DIR) / "demo" / "adapters" / "v2" / "package"


def _demo_version() -> Version:
    adapter = make.adapter(slug="letters", namespace="ward")
    files = {path.name: path.read_bytes() for path in DEMO.iterdir()}
    version = make.version(of=adapter, files=files, version_name="v2")
    hub.permit(version)
    hub.name(adapter, LIVE, version)
    return version


@pytest.mark.xdist_group("hub_clients")
def test_peft_loads_the_live_version_onto_the_packaged_base(server: Server, tmp_path: Path) -> None:
    version = _demo_version()
    models = Path(os.environ.get("FORMULARY_MODELS") or "var/models")
    asked = {
        "base": str(prepare_packaged_base(models / "smollm2-135m").resolve()),
        "repo": "ward/letters",
        "revision": "main",
        "folder": str(DEMO),
        "text": "The patient was seen in the clinic today.",
    }
    done = subprocess.run(
        [sys.executable, str(SCRIPT)],
        input=json.dumps(asked),
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
        env={
            **os.environ,
            "HF_ENDPOINT": server.url,
            "HF_HOME": str(tmp_path / "hub"),
            "HF_TOKEN": accounts.token_text(accounts.user(Role.NODE_AGENT), "blobs:read"),
            "HF_HUB_DISABLE_PROGRESS_BARS": "1",
            # Tests of engines keep this process off the Hub.
            "HF_HUB_OFFLINE": "0",
        },
    )
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert answer["from_local"] == 0.0, "the pulled bytes are not those of the package"
    assert answer["from_base"] > 0.1, "the adapter changes nothing"
    assert answer["words"].strip()
    assert Download.objects.filter(version=version, path=WEIGHTS).count() == 1
