"""Named places at which a test may hold a process, to kill it there; nothing where none is armed.

``FORMULARY_FAILPOINTS`` names a folder. A process that comes to the failpoint ``stop.listed`` while
the folder has a file of that name writes ``stop.listed.<process id>.reached`` beside it and waits
until the file is removed, or until it is killed. No Django: nodes and agents have them too.
"""

import os
import time
from pathlib import Path
from typing import Literal, get_args

LOOK_SECONDS = 0.02

Name = Literal[
    # A step of a rollout: marked as running; done and not noted; noted, not committed; committed.
    "rollout.step.started",
    "rollout.step.before_result",
    "rollout.step.recorded",
    "rollout.step.committed",
    "rollout.weight.set",
    "rollout.promote.alias_moved",
    "rollout.rollback.begun",
    "rollout.step.undone",
    # An agent and its node: one order to load, one to unload.
    "agent.load.claimed",
    "agent.load.downloaded",
    "agent.load.on_node",
    "agent.load.proven",
    "agent.unload.on_node",
    "node.load.verified",
    "node.load.loaded",
    # Our API, as it takes an agent's proof.
    "replica.ready.recorded",
    "replica.ready.committed",
    # An evaluation and the checks of a package.
    "evaluation.begun",
    "evaluation.rows_recorded",
    "evaluation.before_finish",
    "checks.begun",
    "checks.before_results",
    # A try of a delivery: claimed; sent, and not noted.
    "delivery.begun",
    "delivery.before_result",
    # A signature, a stop, an upload.
    "signing.before_commit",
    "signing.committed",
    "stop.listed",
    "stop.recorded",
    "upload.chunk_synced",
    "upload.whole_linked",
    "upload.blobs_stored",
    "upload.version_recorded",
    "upload.committed",
    # Garbage collection, inside the transaction of one blob: its row is gone; its bytes are.
    "garbage.row_deleted",
    "garbage.bytes_deleted",
    # The control process.
    "sealing.read",
    "sealing.sealed",
    "checkpoint.stored",
    "checkpoint.written",
]
NAMES: tuple[str, ...] = get_args(Name)


def failpoint(name: Name) -> None:
    """Hold this thread here while ``name`` is armed."""
    folder = os.environ.get("FORMULARY_FAILPOINTS")
    if not folder:
        return
    armed = Path(folder) / name
    if not armed.exists():
        return
    reached = Path(folder) / f"{name}.{os.getpid()}.reached"
    beside = reached.with_suffix(".new")
    beside.write_text(str(os.getpid()))
    beside.rename(reached)
    while armed.exists():
        time.sleep(LOOK_SECONDS)
