"""1.5 GB in chunks through a whole Formulary, cut on both sides: memory, digest, speed.

Starts the stack (web, control, workers, beat, an agent, a node on the memory engine) with state of
its own, pushes a package with ``formulary push``, kills the client in the first third and the web
process in the second, lets both go on, waits for the checks, and pushes the same files again.
Memory is the sum of the PSS of every process of ours; PostgreSQL and Redis are not counted.
Exits with 1 where a promise is not kept.

    python -m bench.uploads --megabytes 1536
"""

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import numpy as np

from config.core.digests import sha256_file
from config.stack.ports import free_port
from deliveries.cli.access import Access
from deliveries.cli.api import Api
from deliveries.cli.push import push
from deliveries.cli.screen import Screen
from tests.flows.letters import write_base

ROOT = Path(__file__).resolve().parent.parent
ALLOWED_GROWTH_BYTES = 100 << 20
RANK, HIDDEN = 128, 4096
MODULES = ("q_proj", "k_proj", "v_proj", "o_proj")
SERVERS = ("postgres", "valkey", "redis-server")


class Memory(threading.Thread):
    """Samples the memory of all our processes until told to stop."""

    def __init__(self, stack_pid: int) -> None:
        super().__init__(daemon=True)
        self._stack_pid = stack_pid
        self._over = threading.Event()
        self.peak_bytes = 0
        self.peak_of: dict[str, int] = {}

    def run(self) -> None:
        """Five looks a second."""
        while not self._over.wait(0.2):
            self.look()

    def look(self) -> int:
        """The sum now."""
        found = {pid: _pss_bytes(pid) for pid in _family(self._stack_pid)}
        total_bytes = sum(found.values())
        self.peak_bytes = max(self.peak_bytes, total_bytes)
        for pid, size_bytes in found.items():
            name = _name(pid)
            self.peak_of[name] = max(self.peak_of.get(name, 0), size_bytes)
        return total_bytes

    def stop(self) -> None:
        """End sampling."""
        self._over.set()
        self.join()


def _family(root: int) -> list[int]:
    """Processes below ``root``, without the servers that are not ours."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parent = int((entry / "stat").read_text().rsplit(")", 1)[1].split()[1])
            except (FileNotFoundError, ProcessLookupError):
                continue
            children.setdefault(parent, []).append(int(entry.name))
    found, waiting = [], [root]
    while waiting:
        pid = waiting.pop()
        if not any(server in _command(pid) for server in SERVERS):
            found.append(pid)
            waiting += children.get(pid, [])
    return found


def _command(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    except (FileNotFoundError, ProcessLookupError):
        return ""


def _name(pid: int) -> str:
    command = _command(pid)
    for word in ("uvicorn", "run_control", "serving.node", "serve_node", "config.stack", "beat"):
        if word in command:
            return word
    return next((part for part in command.split() if part.endswith("@%h")), command[:40])


def _pss_bytes(pid: int) -> int:
    try:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    lines = [line for line in text.splitlines() if line.startswith("Pss:")]
    return int(lines[0].split()[1]) * 1024 if lines else 0


def _until(condition: Callable[[], Any], *, seconds: float) -> Any:
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        if time.monotonic() > deadline:
            raise SystemExit("what the bench waited for did not happen in time")
        time.sleep(0.05)
    return value


def write_package(folder: Path, *, size_bytes: int, seed: int) -> Path:
    """A PEFT package of about ``size_bytes``: real floating point numbers, no two tensors alike."""
    folder.mkdir()
    config = {
        "peft_type": "LORA", "task_type": "CAUSAL_LM", "base_model_name_or_path": "tiny",
        "r": RANK, "lora_alpha": 2 * RANK, "target_modules": list(MODULES), "bias": "none",
    }  # fmt: skip
    (folder / "adapter_config.json").write_text(json.dumps(config))
    tensor_bytes = RANK * HIDDEN * 4
    count = max(2, size_bytes // tensor_bytes // 2 * 2)
    header: dict[str, Any] = {}
    for number in range(count):
        layer, module = divmod(number // 2, len(MODULES))
        side, shape = ("A", [RANK, HIDDEN]) if number % 2 == 0 else ("B", [HIDDEN, RANK])
        name = f"base_model.model.model.layers.{layer}.self_attn.{MODULES[module]}.lora_{side}"
        start = number * tensor_bytes
        header[f"{name}.weight"] = {
            "dtype": "F32", "shape": shape, "data_offsets": [start, start + tensor_bytes],
        }  # fmt: skip
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    numbers = np.random.default_rng(seed).normal(size=RANK * HIDDEN).astype(np.float32) * 0.02
    with (folder / "adapter_model.safetensors").open("wb") as stream:
        stream.write(len(text).to_bytes(8, "little") + text)
        for number in range(count):
            stream.write((np.roll(numbers, number) * (1 + number / 1000)).tobytes())
    return folder


class House:
    """The stack as a process, and an engineer's token for it."""

    def __init__(self, folder: Path) -> None:
        self.home, self.port = folder / "home", free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        base = write_base(folder / "tiny")
        self.process = subprocess.Popen(
            [
                sys.executable, "-m", "config.stack", "--home", str(self.home), "--quiet",
                "--port", str(self.port), "--engine", "memory", "--base", str(base),
            ],
            cwd=ROOT,
            env={**os.environ, "FORMULARY_ENV": "test"},
            stdout=subprocess.DEVNULL,
        )  # fmt: skip
        try:
            _until(self._answers, seconds=600)
        except SystemExit:
            self.stop()
            raise

    def _answers(self) -> bool:
        if self.process.poll() is not None:
            raise SystemExit("the stack did not start")
        try:
            return httpx.get(f"{self.url}/accounts/login/", timeout=5).status_code == 200
        except httpx.TransportError:
            return False

    def open_adapter(self) -> str:
        """An adapter named ``large``; returns the engineer's token."""
        from registry.models import BaseModel
        from tests.factories import accounts
        from tests.factories import registry as make

        user = accounts.engineer()
        make.adapter(slug="large", owner=user, base=BaseModel.objects.get())
        return accounts.token_text(user)

    def push(self, token: str, folder: Path) -> "subprocess.Popen[str]":
        """``formulary push`` as a pipeline runs it."""
        return subprocess.Popen(
            [
                sys.executable, "-m", "deliveries.cli", "push", str(folder), "--adapter", "large",
                "--json",
            ],
            cwd=ROOT,
            env={**os.environ, "FORMULARY_URL": self.url, "FORMULARY_TOKEN": token},
            stdout=subprocess.PIPE,
            text=True,
        )  # fmt: skip

    def kill_web(self) -> None:
        """Without warning; its supervisor starts it again."""
        web = [pid for pid in _family(self.process.pid) if _name(pid) == "uvicorn"]
        for pid in web:
            os.kill(pid, signal.SIGKILL)

    def stop(self) -> None:
        """End everything in good order."""
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(60)


def _connect(home: Path) -> None:
    """Make this process one of the stack's: its database and its state."""
    os.environ |= {"FORMULARY_HOME": str(home), "FORMULARY_ENV": "test", "LOG_LEVEL": "ERROR"}
    os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings"
    import django

    django.setup()


def _arrived_bytes(size_bytes: int) -> int:
    from registry.models import Upload

    row = Upload.objects.filter(size_bytes=size_bytes).order_by("-offset_bytes").first()
    return row.offset_bytes if row else 0


def _await_checks(house: House, token: str, seconds: float) -> str:
    def look() -> str:
        with Api(Access(house.url, token)) as api:
            runs = api.newest("checks")
        open_runs = [run for run in runs if run["state"] in {"waiting", "running"}]
        return "" if open_runs or not runs else runs[0]["state"]

    return str(_until(look, seconds=seconds))


def measure(folder: Path, *, size_bytes: int) -> dict[str, Any]:
    """The numbers, and whether each promise was kept."""
    package = write_package(folder / "package", size_bytes=size_bytes, seed=1)
    weights = package / "adapter_model.safetensors"
    exact_bytes = weights.stat().st_size
    house = House(folder)
    try:
        _connect(house.home)
        token = house.open_adapter()
        memory = Memory(house.process.pid)
        # Whatever is imported with a first upload and its checks is not the large one's memory.
        small = write_package(folder / "small", size_bytes=16 << 20, seed=2)
        house.push(token, small).communicate()
        _await_checks(house, token, 120)
        before_bytes = memory.look()
        memory.peak_bytes = before_bytes
        memory.peak_of.clear()
        memory.start()

        begun = time.monotonic()
        first = house.push(token, package)
        _until(lambda: _arrived_bytes(exact_bytes) > exact_bytes // 4, seconds=600)
        first.kill()
        first.communicate()
        cut_bytes = _arrived_bytes(exact_bytes)
        second = house.push(token, package)
        _until(lambda: _arrived_bytes(exact_bytes) > exact_bytes // 2, seconds=600)
        house.kill_web()
        said, _ = second.communicate(timeout=1200)
        pushed = json.loads(said)
        seconds = time.monotonic() - begun
        upload_peak_bytes = memory.peak_bytes
        checks = _await_checks(house, token, 1800)
        checked_seconds = time.monotonic() - begun - seconds
        memory.stop()

        alone = house.push(token, write_package(folder / "other", size_bytes=size_bytes, seed=3))
        begun = time.monotonic()
        alone.communicate(timeout=1200)
        uncut_seconds = time.monotonic() - begun
        stored = house.home / "blobs" / "sha256"
        digest = sha256_file(weights)
        kept = {
            "memory_grows_by_less_than_100_MB": memory.peak_bytes - before_bytes
            < ALLOWED_GROWTH_BYTES,
            "digest_is_right": sha256_file(stored / digest[:2] / digest) == digest,
            "resumed_after_both_cuts": 0 < cut_bytes <= pushed["resumed_bytes"]
            and second.returncode == 0,
            "again_only_head_requests": _asked_again(house, token, package)
            == ["HEAD", "HEAD", "POST 200"],
            "no_partial_file_left": not list((house.home / "uploads").glob("*.part")),
        }
        return {
            "kept": kept,
            "megabytes": round(exact_bytes / 1e6),
            "growth_MB": round((memory.peak_bytes - before_bytes) / 1e6, 1),
            "growth_while_uploading_MB": round((upload_peak_bytes - before_bytes) / 1e6, 1),
            "before_MB": round(before_bytes / 1e6),
            "peak_of_MB": {name: round(size / 1e6) for name, size in memory.peak_of.items()},
            "client_cut_at_MB": round(cut_bytes / 1e6),
            "sent_by_second_client_MB": round(pushed["sent_bytes"] / 1e6),
            "seconds_with_both_cuts": round(seconds, 1),
            "seconds_uncut": round(uncut_seconds, 1),
            "uncut_MB_per_second": round(exact_bytes / 1e6 / uncut_seconds, 1),
            "checks": checks,
            "check_seconds": round(checked_seconds, 1),
        }
    finally:
        house.stop()


def _asked_again(house: House, token: str, folder: Path) -> list[str]:
    seen: list[str] = []

    def note(answer: httpx.Response) -> None:
        method = answer.request.method
        seen.append(method if method == "HEAD" else f"{method} {answer.status_code}")

    with Api(Access(house.url, token)) as api, Path(os.devnull).open("w") as nowhere:
        api.answered.append(note)
        stdout, sys.stdout = sys.stdout, nowhere
        try:
            push(
                api, Screen(is_json=True), path=folder, adapter="large", version_name="",
                notes="", parent="", label_file=None, must_wait=False, timeout_seconds=1,
            )  # fmt: skip
        finally:
            sys.stdout = stdout
    return seen


def main() -> int:
    """Print the numbers as JSON; 1 where a promise is not kept."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--megabytes", type=int, default=1536, help="MiB of weights")
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="formulary-bench-"))
    folder.chmod(0o755)  # PostgreSQL runs as a plain user and must be able to enter
    try:
        found = measure(folder, size_bytes=options.megabytes << 20)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    print(json.dumps(found, indent=2))
    return 0 if all(found["kept"].values()) else 1


if __name__ == "__main__":
    sys.exit(main())
