"""A LoRA is trained on 200 short files through a whole Formulary, killed in the middle, deployed.

Starts the stack (web, control, workers, a trainer, beat, an agent, a node) with state of its own
and the packaged SmolLM2-135M. One person uploads 200 files of one invented note each, asks for a
training over HTTP and watches its events; the trainer is killed with SIGKILL in the middle and goes
on from its checkpoint. The version is checked, tried on 40 held-back notes beside the base, signed,
deployed and asked. Then another training is cancelled. Exits with 1 where a promise is not kept.

    python -m bench.training
"""

import argparse
import json
import os
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from bench import training_notes
from bench.training_promises import NAME, Broken, must
from config.stack.stack import Stack, StackFailed
from demo.places import MODELS

SLOW = {"num_epochs": 2, "learning_rate": 1.5e-3, "gradient_accumulation_steps": 2}
KILL_AT = 0.4
PATIENCE_SECONDS = 3600.0


def main() -> int:
    """Start the stack and run the job on it; ``--job`` is the job itself."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--job", action="store_true")
    parser.add_argument("--keep", action="store_true", help="keep the state for a look")
    options = parser.parse_args()
    if options.job:
        return job()
    for name in ("DATABASE_URL", "REDIS_URL", "STORAGE_TYPE", "FORMULARY_ADMIN_USER"):
        os.environ.pop(name, None)
    home = Path(tempfile.mkdtemp(prefix="formulary-bench-training-"))
    home.chmod(0o755)
    os.environ |= {"FORMULARY_MODELS": str(MODELS), "TRAINING_CHECKPOINT_SECONDS": "10"}
    stack = Stack(
        home=home, port=8400, node_slots=4, node_threads=1, is_durable=False, echo_logs=False
    )
    try:
        command = [sys.executable, "-m", "bench.training", "--job"]
        return stack.run(job=command, exit_after_job=True)
    except StackFailed as error:
        print(f"It could not start: {error}", file=sys.stderr)
        return 1
    finally:
        if not options.keep:
            shutil.rmtree(home, ignore_errors=True)


def job() -> int:
    """Everything, in the order of the docstring; prints what was measured."""
    import django

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    django.setup()
    from bench.training_deployment import Hospital

    began = time.monotonic()
    try:
        hospital = Hospital(os.environ["FORMULARY_URL"])
        summary = train_and_kill(hospital)
        summary |= hospital.deploy(summary["version"])
        summary |= cancel(hospital)
    except Broken as error:
        print(f"BROKEN: {error}", file=sys.stderr)
        return 1
    summary["seconds"] = round(time.monotonic() - began, 1)
    print(json.dumps(summary, indent=2))
    return 0


def train_and_kill(hospital: Any) -> dict[str, Any]:
    """Upload, train, kill the trainer in the middle, wait for the version."""
    person = hospital.engineer
    files = training_notes.files()
    place = f"/{person.username}/{NAME}"
    sent = hospital.post(
        f"/avatar/training-data{place}/upload",
        files=[("files", (name, data, "application/jsonl")) for name, data in files.items()],
    )
    must(
        sent.status_code in {200, 201}, f"the upload answered {sent.status_code}: {sent.text[:300]}"
    )
    made = hospital.post(f"/avatar/adapters{place}/create")
    must(made.status_code in {200, 201}, f"create answered {made.status_code}: {made.text[:300]}")
    asked = hospital.post(f"/avatar/adapters{place}/train", json=SLOW)
    must(asked.status_code == 202, f"train answered {asked.status_code}: {asked.text[:300]}")
    path = asked.headers["Location"]
    print(f"{len(files)} files, {path}", flush=True)
    killed_at = None
    for event in hospital.events(f"{path}/events"):
        told = event["data"]
        if event["event"] == "end":
            break
        if told["points"]:
            print(f"step {told['step']} of {told['steps']}, loss {told['loss']:.3f}", flush=True)
        if killed_at is None and told["steps"] and told["step"] >= KILL_AT * told["steps"]:
            killed_at = told["step"]
            home = Path(os.environ["FORMULARY_HOME"])
            os.kill(int((home / "run" / "trainer.pid").read_text()), signal.SIGKILL)
            print(f"the trainer is killed at step {killed_at}", flush=True)
    run = hospital.get(path)
    must(run["state"] == "completed", f"the run is {run['state']}: {run['error']}")
    metrics = run["metrics"]
    must(run["attempt"] == 2, f"the run took {run['attempt']} attempts, not 2")
    must(metrics["went_on_from_step"] > 0, "it began anew instead of going on")
    must(metrics["final_loss"] < metrics["first_loss"], "the loss did not fall")
    return {
        "version": run["version"],
        "steps": metrics["steps"],
        "killed_at_step": killed_at,
        "went_on_from_step": metrics["went_on_from_step"],
        "first_loss": metrics["first_loss"],
        "final_loss": metrics["final_loss"],
        "training_seconds": metrics["seconds"],
    }


def cancel(hospital: Any) -> dict[str, Any]:
    """Cancel another training in the middle; nothing of it remains."""
    place = f"/avatar/adapters/{hospital.engineer.username}/{NAME}"
    before = len(hospital.versions())
    path = hospital.post(f"{place}/train", json={**SLOW, "seed": 8}).headers["Location"]
    deadline = time.monotonic() + PATIENCE_SECONDS
    while hospital.get(path)["progress"]["step"] < 3:
        must(time.monotonic() < deadline, "the second training does not move")
        time.sleep(0.5)
    folder = Path(os.environ["FORMULARY_HOME"]) / "training" / path.rpartition("/")[2]
    # Its first checkpoint makes it, some steps on.
    while not folder.is_dir():
        must(time.monotonic() < deadline, "the second training writes no checkpoint")
        must(hospital.get(path)["state"] == "running", "it ended before its first checkpoint")
        time.sleep(0.2)
    hospital.post(f"{path}/cancel", json={"reason": "the bench cancels"})
    while hospital.get(path)["state"] == "cancelling":
        must(time.monotonic() < deadline, "the training does not end")
        time.sleep(0.5)
    run = hospital.get(path)
    must(run["state"] == "cancelled", f"the cancelled run is {run['state']}")
    must(not folder.exists(), "checkpoints are left")
    must(len(hospital.versions()) == before, "a cancelled run made a version")
    return {"cancelled_at_step": run["progress"]["step"], "left_behind": 0}


if __name__ == "__main__":
    sys.exit(main())
