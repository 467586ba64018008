"""A node as a process: port file, end on SIGTERM, refusals at start, and a log without text."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

ROOT = Path(__file__).resolve().parents[3]
SECRET = "a-node-secret-for-tests"
COMMANDS = {
    "module": [sys.executable, "-m", "serving.node"],
    "manage.py": [sys.executable, "manage.py", "serve_node"],
}


def arguments(tmp_path: Path, *more: str) -> list[str]:
    secret = tmp_path / "secret"
    secret.write_text(SECRET)
    given = ["--engine", "memory", "--base", "twin", "--name", "n1"]
    files = ["--secret-file", str(secret), "--port-file", str(tmp_path / "port")]
    return [*given, *files, *more]


@contextmanager
def process(command: list[str], **env: str) -> Iterator[tuple[subprocess.Popen[str], list[str]]]:
    """The process, and its output line by line; the first line comes when it listens."""
    running = subprocess.Popen(
        command,
        cwd=ROOT,
        env={**os.environ, "FORMULARY_ENV": "test", "LOG_LEVEL": "INFO", **env},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    lines: list[str] = []
    listening = threading.Event()

    def read() -> None:
        assert running.stdout is not None
        for line in running.stdout:
            lines.append(line)
            if "node.listening" in line:
                listening.set()
        listening.set()

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    try:
        assert listening.wait(60)
        yield running, lines
        reader.join(60)
    finally:
        running.kill()
        running.wait()


@pytest.mark.parametrize("command", COMMANDS)
def test_sigterm_lets_running_answers_end_and_exits_0(tmp_path: Path, command: str) -> None:
    with process([*COMMANDS[command], *arguments(tmp_path)], FORMULARY_MEMORY_LATENCY_MS="50") as (
        node,
        lines,
    ):
        url = f"http://127.0.0.1:{(tmp_path / 'port').read_text().strip()}"
        body = {"name": "base", "prompt": "a very private note", "max_tokens": 8}
        headers = {"Authorization": f"Bearer {SECRET}"}
        with httpx.stream("POST", f"{url}/node/v1/generate", json=body, headers=headers) as stream:
            found = stream.iter_lines()
            first = next(found)
            node.send_signal(signal.SIGTERM)
            rest = [line for line in found if line]
        assert '"finish":"length"' in rest[-1] and len(rest) == 7
        assert node.wait(60) == 0
    logged = "".join(lines)
    assert "answer.ended" in logged
    answer = first.split('"text":"')[1].split('"')[0]
    assert "private" not in logged and f'"{answer}"' not in logged and SECRET not in logged


def test_an_answer_that_outlasts_the_drain_is_told_so(tmp_path: Path) -> None:
    command = [*COMMANDS["module"], *arguments(tmp_path)]
    with process(command, FORMULARY_MEMORY_LATENCY_MS="100") as (node, lines):
        url = f"http://127.0.0.1:{(tmp_path / 'port').read_text().strip()}"
        body = {"name": "base", "prompt": "long", "max_tokens": 900}
        headers = {"Authorization": f"Bearer {SECRET}"}
        with httpx.stream("POST", f"{url}/node/v1/generate", json=body, headers=headers) as stream:
            found = stream.iter_lines()
            next(found)
            node.send_signal(signal.SIGTERM)
            rest = [line for line in found if line]
        assert '"finish":"failed"' in rest[-1] and '"code":"answer_failed"' in rest[-1]
        assert node.wait(60) == 0
    assert "Traceback" not in "".join(lines)


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--expect-digest", "0" * 64], "was expected"),
        (["--engine", "torch", "--base", "/nowhere/at/all"], "lacks"),
        (["--host", "192.0.2.1"], "can't be listened on"),
    ],
)
def test_a_node_that_can_not_start_says_why(tmp_path: Path, more: list[str], said: str) -> None:
    command = [*COMMANDS["module"], *arguments(tmp_path, *more)]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert ended.returncode == 2 and said in ended.stderr
    assert "Traceback" not in ended.stderr and not (tmp_path / "port").exists()


def test_a_node_needs_a_secret(tmp_path: Path) -> None:
    command = [*COMMANDS["module"], "--engine", "memory", "--base", "twin", "--name", "n1"]
    env = {key: value for key, value in os.environ.items() if key != "FORMULARY_NODE_SECRET"}
    ended = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=60)
    assert ended.returncode == 2 and "secret" in ended.stderr


def test_expect_digest_hashes_the_folder_and_not_the_cache(tmp_path: Path) -> None:
    """A changed byte behind an unchanged size and time must not slip through."""
    from registry.domain.base_folder import base_facts
    from tests.serving.engines.tiny import make_base

    base = make_base(tmp_path / "base")
    digest = base_facts(base).digest
    weights = base / "model.safetensors"
    before = weights.stat()
    with weights.open("r+b") as stream:
        stream.seek(before.st_size - 1)
        last = stream.read(1)
        stream.seek(before.st_size - 1)
        stream.write(bytes([last[0] ^ 1]))
    os.utime(weights, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert base_facts(base).digest == digest, "the cache is trusted by default"
    assert base_facts(base, trust_cache=False).digest != digest
    more = ["--engine", "torch", "--base", str(base), "--expect-digest", digest]
    command = [*COMMANDS["module"], *arguments(tmp_path, *more)]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert ended.returncode == 2 and "was expected" in ended.stderr


def test_the_node_imports_no_django() -> None:
    code = (
        "import sys, serving.node.server, serving.engines.memory, serving.engines.torch_engine; "
        "sys.exit(any(name.split('.')[0] in {'django', 'rest_framework'} for name in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, timeout=60).returncode == 0


def test_the_memory_engine_imports_no_torch() -> None:
    code = (
        "import sys, serving.node.server, serving.engines.memory; sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, timeout=60).returncode == 0
