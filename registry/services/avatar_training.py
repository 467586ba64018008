"""Begins an avatar's training, as often in an hour as one account may."""

from collections.abc import Mapping
from datetime import timedelta
from math import ceil
from typing import Any

from django.conf import settings
from django.db import transaction

from config.accounts.models import User
from config.core import clock
from config.core.actors import Actor
from registry.errors import TrainingLimitReached
from registry.models import Avatar, TrainingRun
from registry.services import training_runs
from registry.states import OPEN_TRAINING_STATES

SPAN = timedelta(hours=1)


def start(*, avatar: Avatar, parameters: Mapping[str, Any], actor: Actor) -> TrainingRun:
    """Ask for a training of the avatar's adapter on what is flagged now.

    Requests of one account wait for each other, so that two at one moment don't pass as one.

    Raises:
        TrainingLimitReached: the account began as many within the hour as it may.
        TrainingParametersInvalid, TrainingDataMissing, TrainingInProgress: as training_runs.start.
    """
    with transaction.atomic():
        User.objects.select_for_update(no_key=True).get(pk=avatar.owner_id)
        runs = TrainingRun.objects.filter(adapter=avatar.adapter_id, state__in=OPEN_TRAINING_STATES)
        # While one is open none begins: the request is answered with it, or refused for it.
        if not runs.exists():
            _refuse_too_many(avatar.owner_id)
        return training_runs.start(avatar=avatar, actor=actor, parameters=parameters)


def _refuse_too_many(user_id: int) -> None:
    now = clock.now()
    begun = TrainingRun.objects.filter(requested_by=user_id, requested_at__gt=now - SPAN)
    times = list(begun.order_by("-requested_at").values_list("requested_at", flat=True))
    limit = settings.TRAINING_RUNS_PER_HOUR
    if len(times) >= limit:
        free_at = times[limit - 1] + SPAN if limit else now + SPAN
        raise TrainingLimitReached(
            f"Your account began {len(times)} trainings within an hour, and {limit} are allowed.",
            fix="Try again later, with more of your data in one training.",
            retry_after_seconds=max(1, ceil((free_at - now).total_seconds())),
        )
