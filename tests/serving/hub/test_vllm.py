"""A real vLLM loads an adapter straight from our server; ``make test-vllm`` brings one along."""

import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from django.conf import settings

from compliance.services import stops
from config.accounts.roles import Role
from config.accounts.selectors import actor_of
from registry.models import Version
from registry.selectors import LIVE
from registry.sources.packaged_base import prepare_packaged_base
from serving.selectors.downloads import holders_of
from tests.factories import accounts, hub
from tests.factories import registry as make
from tests.factories.gateway import until
from tests.factories.hub import Server

PYTHON = os.environ.get("VLLM_PYTHON", "")
DEMO = Path(settings.BASE_DIR) / "demo" / "adapters"
START_SECONDS = 400

pytestmark = [
    pytest.mark.skipif(not PYTHON, reason="VLLM_PYTHON is not set: `make test-vllm` sets it"),
    pytest.mark.timeout(1200),
    pytest.mark.xdist_group("hub_clients"),
]


@contextmanager
def _vllm(*, hub_url: str, token: str, folder: Path) -> Iterator[httpx.Client]:
    """A vLLM on the packaged base that pulls from ``hub_url``."""
    models = Path(os.environ.get("FORMULARY_MODELS") or "var/models")
    base = prepare_packaged_base(models / "smollm2-135m").resolve()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [PYTHON, "-m", "vllm.entrypoints.openai.api_server", "--model", str(base)]
    command += ["--served-model-name", "base", "--enable-lora", "--max-loras", "2"]
    command += ["--max-lora-rank", "16", "--max-cpu-loras", "4", "--max-model-len", "512"]
    command += ["--dtype", "bfloat16", "--enforce-eager", "--host", "127.0.0.1"]
    environment = {
        **os.environ,
        "PATH": f"{Path(PYTHON).parent}:{os.environ['PATH']}",
        "HF_ENDPOINT": hub_url,
        "HF_TOKEN": token,
        "HF_HOME": str(folder / "hub"),
        "VLLM_ALLOW_RUNTIME_LORA_UPDATING": "True",
        "VLLM_CPU_KVCACHE_SPACE": "1",
        "VLLM_NO_USAGE_STATS": "1",
        "DO_NOT_TRACK": "1",
    }
    log = folder / "vllm.log"
    with log.open("w") as lines:
        process = subprocess.Popen(
            [*command, "--port", str(port)], env=environment, stdout=lines, stderr=lines
        )
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=120) as client:

            def is_up() -> bool:
                assert process.poll() is None, log.read_text()[-3000:]
                try:
                    return client.get("/health").status_code == 200
                except httpx.TransportError:
                    return False

            until(is_up, seconds=START_SECONDS)
            yield client
    finally:
        process.terminate()
        process.wait(60)


def _demo_version(name: str) -> Version:
    adapter = make.adapter(slug=name, namespace="ward")
    package = DEMO / name / "package"
    files = {path.name: path.read_bytes() for path in package.iterdir()}
    version = make.version(of=adapter, files=files, version_name="first")
    hub.permit(version)
    hub.name(adapter, LIVE, version)
    return version


def _answer(vllm: httpx.Client, model: str) -> str:
    """The words of ``model``, always the most likely ones."""
    text = "Note: chest pain since this morning, short of breath. Urgency:"
    body = {"model": model, "prompt": text, "max_tokens": 12, "temperature": 0}
    answer = vllm.post("/v1/completions", json=body)
    assert answer.status_code == 200, answer.text
    return str(answer.json()["choices"][0]["text"])


def test_vllm_loads_the_live_version_and_no_stopped_one(server: Server, tmp_path: Path) -> None:
    good, stopped = _demo_version("v2"), _demo_version("v4")
    officer = accounts.user(Role.COMPLIANCE_OFFICER)
    stops.issue(digest=stopped.digest, reason="Wrong", user=officer, actor=actor_of(officer))
    agent = accounts.user(Role.NODE_AGENT)
    token = accounts.token_text(agent, "blobs:read")
    with _vllm(hub_url=server.url, token=token, folder=tmp_path) as vllm:
        loads = "/v1/load_lora_adapter"
        told = vllm.post(loads, json={"lora_name": "pulled", "lora_path": "ward/v2"})
        assert told.status_code == 200, told.text
        copy = tmp_path / "copy"
        shutil.copytree(DEMO / "v2" / "package", copy)
        told = vllm.post(loads, json={"lora_name": "local", "lora_path": str(copy)})
        assert told.status_code == 200, told.text
        pulled = _answer(vllm, "pulled")
        assert pulled == _answer(vllm, "local")
        assert pulled != _answer(vllm, "base")
        refused = vllm.post(loads, json={"lora_name": "stopped", "lora_path": "ward/v4"})
        assert refused.status_code in {404, 500}, refused.text
        names = {row["id"] for row in vllm.get("/v1/models").json()["data"]}
        assert names == {"base", "pulled", "local"}
    assert [row.username for row in holders_of(good.digest)] == [agent.username]
    assert not holders_of(stopped.digest)
