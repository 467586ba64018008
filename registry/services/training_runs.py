"""Training runs as people ask for them: start, cancel, wait for the end."""

import time
from collections.abc import Mapping
from typing import Any

from django.db import IntegrityError, transaction

from config.accounts.models import User
from config.accounts.roles import Act
from config.accounts.selectors import can
from config.core import clock
from config.core.actors import Actor
from config.core.errors import Forbidden
from config.core.events import publish
from config.core.states import move
from registry.domain.training_parameters import TrainingParameters, TrainingParametersInvalid
from registry.errors import TrainingDataMissing, TrainingInProgress
from registry.events import TrainingRunCancelling, TrainingRunFinished, TrainingRunQueued
from registry.models import Avatar, ScanState, TrainingFile, TrainingRun
from registry.services import training_nudges
from registry.states import OPEN_TRAINING_STATES, TRAINING_MOVES, TrainingState
from registry.training.lora import LoraTrainer

DEFAULT_SEED = 42
MAX_SEED = 2**63 - 1
LOOK_EVERY_SECONDS = 0.5


def start(
    *, avatar: Avatar, actor: Actor, parameters: Mapping[str, Any] | None = None
) -> TrainingRun:
    """Ask that the avatar's adapter be trained on the files that are flagged now.

    ``parameters`` go over those of the avatar's configuration, and these over the defaults;
    ``seed`` may be among them. What is trained is fixed here: later uploads and flags change
    nothing. The same request while its run is open returns that run.

    Raises:
        TrainingParametersInvalid: naming each parameter that is unknown or out of range.
        TrainingDataMissing: no file is flagged, or a flagged one was refused by the scan.
        TrainingInProgress: another run of the adapter is open.
    """
    given = {**avatar.configuration, **(parameters or {})}
    seed = _seed(given.pop("seed", None))
    wanted = TrainingParameters.parse(given)
    adapter = avatar.adapter
    if adapter is None:
        raise TrainingDataMissing(
            "The avatar has no adapter that could be trained.", fix="Create its adapter first."
        )
    data = _flagged(avatar)
    frozen = {"parameters": wanted.as_json(), "seed": seed, "data": data}
    try:
        with transaction.atomic():
            found = _open_run(adapter.pk)
            if found is not None:
                return _same(found, frozen)
            run = TrainingRun.objects.create(
                adapter=adapter,
                base_model=adapter.base_model,
                base_digest=adapter.base_model.digest,
                trainer=LoraTrainer.name,
                requested_by_id=actor.user_id or avatar.owner_id,
                **frozen,
            )
            publish(
                TrainingRunQueued(
                    actor=actor,
                    object_type="training_run",
                    object_id=str(run.uuid),
                    object_rev=run.base_digest,
                    run_id=run.pk,
                    diff={
                        "adapter": [None, adapter.ref],
                        "base_model": [None, adapter.base_model.slug],
                        "files": [None, [row["sha256"] for row in data]],
                        "parameters": [None, {k: str(v) for k, v in wanted.as_json().items()}],
                        "seed": [None, seed],
                    },
                )
            )
            training_nudges.train_on_commit(run.pk)
            return run
    except IntegrityError as error:
        # Two requests at one moment: the other's run is there now.
        other = _open_run(adapter.pk)
        if other is None:
            raise TrainingInProgress(
                "Another training of this adapter was asked for and ended at this moment.",
                fix="Ask again.",
            ) from error
        return _same(other, frozen)


def cancel(*, run: TrainingRun, user: User, actor: Actor, reason: str = "") -> TrainingRun:
    """End a run: at once where nobody works on it, else its worker stops at the next step.

    Cancelling again is the same, whether its worker has stopped meanwhile or not.

    Raises:
        Forbidden: the account neither asked for it, owns the adapter, nor runs the machines.
        Conflict: it was completed or failed.
    """
    if user.pk not in {run.requested_by_id, run.adapter.owner_id} and not can(user, Act.NODES):
        raise Forbidden(
            "This training is somebody else's.",
            fix="Whoever asked for it, the adapter's owner or an operator can cancel it.",
        )
    with transaction.atomic():
        row = TrainingRun.objects.select_for_update(no_key=True).get(pk=run.pk)
        if row.state in {TrainingState.CANCELLING, TrainingState.CANCELLED}:
            return row
        if row.state == TrainingState.QUEUED:
            move(row, table=TRAINING_MOVES, to=TrainingState.CANCELLED, finished_at=clock.now())
            publish(
                TrainingRunFinished(
                    actor=actor,
                    object_type="training_run",
                    object_id=str(row.uuid),
                    run_id=row.pk,
                    state=str(row.state),
                    reason=reason[:500],
                    diff={"state": [str(TrainingState.QUEUED), str(row.state)]},
                )
            )
            return row
        before = row.state
        move(row, table=TRAINING_MOVES, to=TrainingState.CANCELLING)
        publish(
            TrainingRunCancelling(
                actor=actor,
                object_type="training_run",
                object_id=str(row.uuid),
                run_id=row.pk,
                reason=reason[:500],
                diff={"state": [str(before), str(row.state)]},
            )
        )
    return row


def wait(*, run: TrainingRun, seconds: float) -> TrainingRun:
    """The run once it is over, or as it is after ``seconds``; for callers that want to wait."""
    deadline = time.monotonic() + seconds
    while True:
        found = TrainingRun.objects.select_related("adapter", "version").get(pk=run.pk)
        left = deadline - time.monotonic()
        if not found.is_open or left <= 0:
            return found
        time.sleep(min(LOOK_EVERY_SECONDS, left))


def _open_run(adapter_id: int) -> TrainingRun | None:
    return TrainingRun.objects.filter(adapter_id=adapter_id, state__in=OPEN_TRAINING_STATES).first()


def _same(run: TrainingRun, frozen: Mapping[str, Any]) -> TrainingRun:
    if all(getattr(run, name) == value for name, value in frozen.items()):
        return run
    raise TrainingInProgress(
        f"The training run {run.uuid} of this adapter is {run.state}.",
        fix="Wait until it has ended, or cancel it.",
    )


def _seed(value: Any) -> int:
    if value is None:
        return DEFAULT_SEED
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= MAX_SEED:
        message = f"must be a whole number from 0 to {MAX_SEED}"
        raise TrainingParametersInvalid(
            f"/seed {message}",
            fix="Mend the seed, or leave it out.",
            errors=[{"pointer": "/seed", "message": message}],
        )
    return value


def _flagged(avatar: Avatar) -> list[dict[str, Any]]:
    """The flagged files as the run keeps them: their ids and digests, never their names."""
    files = list(
        TrainingFile.objects.filter(avatar=avatar, use_for_training=True).order_by("sha256", "uuid")
    )
    if not files:
        raise TrainingDataMissing(
            "No file of this avatar is flagged for training.",
            fix="Upload one, or set the training flag of one that is there.",
        )
    if refused := [file for file in files if file.scan_state == ScanState.REFUSED]:
        raise TrainingDataMissing(
            f"{len(refused)} flagged files were refused by the scan.",
            fix="Mend them, or take their training flag away.",
            errors=[{"file": str(file.uuid), "findings": file.scan_findings} for file in refused],
        )
    return [
        {
            "file": str(file.uuid),
            "kind": file.kind,
            "sha256": file.sha256,
            "size_bytes": file.size_bytes,
        }
        for file in files
    ]
