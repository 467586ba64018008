"""Runs an evaluation set through a version on a node and hands the answers down to be recorded."""

import time
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from itertools import islice
from typing import Any

import structlog

from compliance.errors import AttemptOver
from compliance.models import EvaluationRun
from compliance.selectors.evaluations import Prompt, prompts
from compliance.selectors.stops import stopped_digests
from compliance.services import evaluations
from compliance.states import RunState
from config.core.failpoints import failpoint
from serving.errors import NodeRefused, NodeUnreachable
from serving.models import Node, Replica
from serving.node_calls import NodeCalls
from serving.selectors.evaluations import ready_node
from serving.selectors.nodes import calls_to
from serving.states import ReplicaState

log = structlog.get_logger(__name__)
AT_ONCE = 8
BATCH_ROWS = 16
BATCH_SECONDS = 1.0
MAX_ATTEMPTS = 5
GIVE_UP_AFTER = 3
TRIES = 4
PAUSE_SECONDS = 0.25
# The node can't answer this item at all: a row without an answer, which counts as wrong.
ITEM_REFUSALS = frozenset({"prompt_too_long", "invalid", "answer_failed"})

# The lease was not renewed in time, or the node has just started: the sweep tries again.
PASSING_REFUSALS = frozenset({"no_lease", "replica_unknown"})


def run(*, run_id: int) -> bool:
    """Answer what has no row yet; whether the run is finished now.

    Several items at once, so that the node's batching helps; temperature 0. A second worker finds
    the run taken; a worker that dies leaves its rows, and the next attempt goes on from them.
    """
    row = EvaluationRun.objects.select_related("version__adapter").get(pk=run_id)
    if row.state not in {RunState.WAITING, RunState.RUNNING}:
        return False
    node = ready_node(row)
    if node is None:
        return False
    if row.attempt >= MAX_ATTEMPTS:
        _give_up(row, f"It was begun {row.attempt} times and never finished.")
        return False
    attempt = evaluations.begin(
        run_id=run_id,
        node_name=node.name,
        engine_build=str(node.status["engine_build"]),
        device=str(node.status["device"]),
        dtype=str(node.status["dtype"]),
    )
    if attempt is None:
        return False
    failpoint("evaluation.begun")
    try:
        _answer_all(
            EvaluationRun.objects.select_related("version__adapter").get(pk=run_id), attempt, node
        )
        failpoint("evaluation.before_finish")
        evaluations.finish(run_id=run_id, attempt=attempt)
    except AttemptOver:
        return False
    except NodeRefused as error:
        if error.node_code in PASSING_REFUSALS:
            log.warning("evaluation.node_not_ready", run=str(row.uuid), code=error.node_code)
            return False
        evaluations.fail(run_id=run_id, attempt=attempt, error=error.message)
        return False
    except NodeUnreachable as error:
        # Its rows are kept; the sweep takes the run up again when the heartbeat is old.
        log.warning("evaluation.node_away", run=str(row.uuid), node=node.name, code=error.code)
        return False
    return True


def fail_unloadable() -> int:
    """Give up the runs whose version no node could load, or is stopped; how many."""
    count = 0
    stopped = stopped_digests()
    for row in EvaluationRun.objects.filter(state=RunState.WAITING).select_related("version"):
        if row.digest in stopped:
            _give_up(row, "The version was stopped everywhere.")
            count += 1
            continue
        rows = Replica.objects.filter(version=row.version)
        failed = rows.filter(state=ReplicaState.FAILED, failures_count__gte=GIVE_UP_AFTER)
        replica = failed.first()
        if replica is not None and not rows.filter(state=ReplicaState.READY).exists():
            _give_up(row, f"The version could not be loaded: {replica.error}")
            count += 1
    return count


def _give_up(row: EvaluationRun, error: str) -> None:
    try:
        evaluations.fail(run_id=row.pk, attempt=row.attempt, error=error)
    except AttemptOver:
        log.info("evaluation.moved_on", run=str(row.uuid))


def _answer_all(run_row: EvaluationRun, attempt: int, node: Node) -> None:
    waiting = prompts(run_row)
    head = {
        "name": run_row.version.runtime_name,
        "purpose": "evaluate",
        "run": str(run_row.uuid),
        "temperature": 0,
    }
    batch: list[dict[str, Any]] = []
    written_at = time.monotonic()
    with calls_to(node) as calls, ThreadPoolExecutor(max_workers=AT_ONCE) as pool:
        running = {_submit(pool, calls, head, prompt) for prompt in islice(waiting, AT_ONCE)}
        try:
            while running:
                finished, running = wait(
                    running, timeout=BATCH_SECONDS, return_when=FIRST_COMPLETED
                )
                batch += [future.result() for future in finished]
                running |= {
                    _submit(pool, calls, head, prompt) for prompt in islice(waiting, len(finished))
                }
                is_late = time.monotonic() - written_at > BATCH_SECONDS
                if len(batch) >= BATCH_ROWS or is_late or not running:
                    evaluations.record(run_id=run_row.pk, attempt=attempt, rows=batch)
                    batch, written_at = [], time.monotonic()
                    failpoint("evaluation.rows_recorded")
        finally:
            for future in running:
                future.cancel()


def _submit(
    pool: ThreadPoolExecutor, calls: NodeCalls, head: dict[str, Any], prompt: Prompt
) -> Future[dict[str, Any]]:
    return pool.submit(_answer, calls, head, prompt)


def _answer(calls: NodeCalls, head: dict[str, Any], prompt: Prompt) -> dict[str, Any]:
    """One item's row; runs in a thread of its own and touches no database."""
    body = {**head, "messages": list(prompt.messages), "max_tokens": prompt.max_tokens}
    started = time.monotonic()
    text, finish = "", "refused"
    for attempt in _tries():
        try:
            answer = calls.generate(body)
        except NodeRefused as error:
            if error.node_code in PASSING_REFUSALS and attempt < TRIES:
                continue
            if error.node_code not in ITEM_REFUSALS:
                raise
            break
        except NodeUnreachable:
            if attempt == TRIES:
                raise
            continue
        text, finish = answer.text, answer.finish
        break
    return {
        "index": prompt.index,
        "answer": text,
        "finish": finish,
        "duration_ms": round(1000 * (time.monotonic() - started)),
    }


def _tries() -> Iterator[int]:
    """1, 2, … with growing pauses between: for a broken connection, a lease on its way."""
    for attempt in range(1, TRIES + 1):
        if attempt > 1:
            time.sleep(PAUSE_SECONDS * attempt)
        yield attempt
