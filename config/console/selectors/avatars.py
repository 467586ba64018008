"""One's own avatars: the list with a word on each, and everything that the page of one shows."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from urllib.parse import quote

from django.conf import settings
from django.db.models import Count, Exists, OuterRef, Q, QuerySet, Subquery
from django.utils.translation import gettext as _

from config.accounts.models import User
from config.console import words
from registry import avatar_selectors as selectors
from registry import training_selectors
from registry.domain.avatars import AvatarStatus, Recommendation, recommend
from registry.models import (
    Avatar,
    AvatarBackup,
    ScanState,
    TrainingFile,
    TrainingRun,
    Version,
)
from registry.states import TrainingState

SHOWN_RUNS, SHOWN_BACKUPS = 10, 50


class ListedAvatar(Protocol):
    """A row of ``avatar_list``, as far as its state is read off it."""

    restored_at: datetime | None
    run_state: str | None
    run_finished_at: datetime | None
    has_weights: bool


@dataclass(frozen=True)
class AvatarPage:
    """The page's facts; ``refused_files`` are flagged ones that the scan let nobody train with."""

    status: AvatarStatus
    version: Version | None
    sentence: str
    total_files: int
    flagged_files: int
    flagged_bytes: int
    unscanned_files: int
    refused_files: int
    recommendation: Recommendation
    runs: Sequence[TrainingRun]
    open_run: TrainingRun | None
    backups: Sequence[AvatarBackup]
    retention_days: int
    download_path: str


def avatar_list(owner: User) -> QuerySet[Avatar]:
    """The account's avatars, each with what ``status_of_row`` and the list's row need."""
    runs = (
        TrainingRun.objects.filter(adapter=OuterRef("adapter"))
        .exclude(state=TrainingState.CANCELLED)
        .order_by("-pk")
    )
    return (
        Avatar.objects.filter(owner=owner, deleted_at=None)
        .select_related("adapter")
        .annotate(
            total_files=Count("files"),
            flagged_files=Count("files", filter=Q(files__use_for_training=True)),
            has_weights=Exists(Version.objects.filter(adapter=OuterRef("adapter"))),
            run_state=Subquery(runs.values("state")[:1]),
            run_finished_at=Subquery(runs.values("finished_at")[:1]),
        )
    )


def status_of_row(row: ListedAvatar) -> AvatarStatus:
    """The state of an avatar of ``avatar_list``."""
    return selectors.status_of(
        has_weights=row.has_weights,
        run_state=row.run_state,
        run_ended_at=row.run_finished_at,
        restored_at=row.restored_at,
    )


def avatar_page(avatar: Avatar) -> AvatarPage:
    """Read it all, in a fixed number of queries."""
    state = selectors.state_of(avatar)
    files = TrainingFile.objects.filter(avatar=avatar)
    flagged = Q(use_for_training=True)
    counts = files.aggregate(
        total=Count("pk"),
        flagged=Count("pk", filter=flagged),
        unscanned=Count("pk", filter=flagged & Q(scan_state=ScanState.UNSCANNED)),
        refused=Count("pk", filter=flagged & Q(scan_state=ScanState.REFUSED)),
    )
    size_bytes = selectors.flagged_bytes(avatar)
    runs = list(training_selectors.runs_of(avatar.adapter)[:SHOWN_RUNS]) if avatar.adapter else []
    return AvatarPage(
        status=state.status,
        version=state.version,
        sentence=sentence(state, counts["total"], counts["flagged"]),
        total_files=counts["total"],
        flagged_files=counts["flagged"],
        flagged_bytes=size_bytes,
        unscanned_files=counts["unscanned"],
        refused_files=counts["refused"],
        recommendation=recommend(size_bytes),
        runs=runs,
        open_run=next((run for run in runs if run.is_open), None),
        backups=list(selectors.backups_of(avatar)[:SHOWN_BACKUPS]),
        retention_days=settings.AVATAR_BACKUP_RETENTION_DAYS,
        download_path=f"/avatar/adapters/{quote(avatar.owner.username, safe='')}/{avatar.name}",
    )


def sentence(state: selectors.AvatarState, total: int, flagged: int) -> str:
    """What it is and what comes next."""
    if state.status is AvatarStatus.TRAINING:
        return _("It is being trained; its page of the training moves by itself.")
    if state.status is AvatarStatus.TRAINING_FAILED:
        return _("Its last training failed. Mend what its page names, and train it again.")
    if state.status is AvatarStatus.TRAINED and state.version is not None:
        return _("It is trained: it answers as %(version)s of its adapter.") % {
            "version": state.version.version_name
        }
    if not total:
        return _("It has no texts to learn from yet. Upload some below.")
    return _("It is not trained yet; %(files)s would be trained with.") % {
        "files": words.counted(flagged, "file")
    }
