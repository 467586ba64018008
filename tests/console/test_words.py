"""Words, verdicts, numbers and charts, without a database."""

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest

from compliance.states import ApprovalState, Meaning, RunState
from config.accounts.roles import Role
from config.console import charts, words
from config.console.templatetags import console as tags
from config.console.verdicts import Facts, verdict
from deliveries.states import DeliveryState
from registry.domain.avatars import AvatarStatus
from registry.models import AvatarBackup, ScanState
from registry.states import TrainingState
from serving.states import FailureKind, ReplicaState, RolloutState, StepKind, StepState, Trigger
from serving.states import Verdict as AnalysisVerdict

NOW = datetime(2026, 3, 4, 12, 0, tzinfo=UTC)
CHECKED = (("package", "done"), ("evidence", "done"))


def test_every_state_has_a_word() -> None:
    for table, states in (
        (words.RUN, RunState),
        (words.TRAINING, TrainingState),
        (words.DELIVERY, DeliveryState),
        (words.AVATAR, AvatarStatus),
        (words.SCAN, ScanState),
        (words.BACKUP_REASON, AvatarBackup.Reason),
        (words.APPROVAL, ApprovalState),
        (words.ROLLOUT, RolloutState),
        (words.STEP, StepState),
        (words.REPLICA, ReplicaState),
        (words.ANALYSIS, AnalysisVerdict),
        (words.STEP_KIND, StepKind),
        (words.MEANING, Meaning),
        (words.ROLE, Role),
        (words.TRIGGER, Trigger),
        (words.FAILURE, FailureKind),
    ):
        assert set(table) == {str(state) for state in states}


@pytest.mark.parametrize(
    ("facts", "text"),
    [
        ({"stopped_at": NOW, "stop_reason": "odd answers", "is_permitted": True}, "Stopped"),
        ({"runs": [("package", "running")]}, "The package is being checked."),
        ({"runs": [("package", "failed")]}, "The checks could not be run."),
        ({"runs": CHECKED, "lacks_evaluation": True}, "what is missing is an evaluation"),
        (
            {"runs": CHECKED, "lacks_evaluation": True, "evaluating": ["adults 1", "children 1"]},
            "being evaluated on a node, on adults 1 and children 1.",
        ),
        ({"runs": CHECKED, "blocked_by": ["A", "B"]}, "can't be signed: 2 checks block it"),
        (
            {"runs": CHECKED, "blocked_by": ["A"], "evaluating": ["children 1"]},
            "being evaluated on a node, on children 1.",
        ),
        (
            {"runs": [*CHECKED, ("evidence", "running")], "blocked_by": ["A"]},
            "The evidence is being checked.",
        ),
        (
            {
                "runs": CHECKED,
                "blocked_by": ["A"],
                "evaluating": ["children 1"],
                "is_package_blocked": True,
            },
            "can't be signed: 1 check blocks it",
        ),
        ({"runs": CHECKED}, "Nothing speaks against this version."),
        (
            {"runs": CHECKED, "request_state": "open", "signed": 1, "needed": 2},
            "Ready to be signed: 1 signature is missing.",
        ),
        ({"runs": CHECKED, "request_state": "rejected"}, "Approval was refused."),
        ({"runs": CHECKED, "request_state": "void"}, "The approval is void."),
        ({"runs": CHECKED, "is_permitted": True}, "Approved for deployment."),
        ({"runs": CHECKED, "is_permitted": True, "live_in": ["triage"]}, "This version is live"),
        (
            {"runs": CHECKED, "is_permitted": True, "canary_in": [("triage", 20)]},
            "being tried on 20 % of triage",
        ),
    ],
)
def test_a_verdict_is_one_sentence(facts: dict, text: str) -> None:
    assert text in verdict(Facts(**facts)).text


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (3, "just now"),
        (70, "1 minute ago"),
        (7200, "2 hours ago"),
        (3 * 86400, "3 days ago"),
        (-300, "in 5 minutes"),
        (90 * 86400, "2025-12-04"),
    ],
)
def test_ages(seconds: int, said: str) -> None:
    assert tags.age(NOW - timedelta(seconds=seconds), NOW) == said


def test_times_carry_the_exact_moment() -> None:
    shown = tags.when(NOW)
    assert 'datetime="2026-03-04T12:00:00+00:00"' in shown
    assert "2026-03-04 12:00:00 UTC" in shown
    assert tags.when(None) == "never"


def test_digests_are_short_and_copied_whole() -> None:
    shown = tags.digest("ab" * 32)
    assert f'>abababababab<span class="fm-print">{"ab" * 26}</span></code>' in shown
    assert f'data-copy="{"ab" * 32}"' in shown


def test_what_comes_from_people_is_escaped() -> None:
    assert "<script>" not in tags.digest("<script>")
    assert "<script>" not in tags.chip("<script>", "help")


def test_sizes_and_evidence_and_populations() -> None:
    assert tags.size(1_900_000) == "1.9 MB"
    assert tags.times(0.5) == "×3.2"
    assert tags.times(1.6) == "×40"
    adults = {"attribute": "age_group", "level": "adult"}
    assert tags.strata([adults, adults | {"level": "child"}]) == "adult and child (age group)"
    assert words.listed(["a", "b", "c"]) == "a, b and c"
    assert words.counted(1, "node") == "1 node"
    assert words.counted(1204, "node") == "1,204 nodes"


def test_a_single_failure_stays_visible() -> None:
    drawn = charts.sparkline([1000, 1000], [0, 1])
    assert drawn.count("fm-bar-bad") == 1
    assert 'height="8.00"' in drawn
    assert charts.sparkline([0, 0], [0, 0]) == ""


def test_the_deciding_curve_reaches_its_edge() -> None:
    points = [
        SimpleNamespace(requests_count=n, log10_worse=w, log10_safe=0.0, log10_limit=1.6)
        for n, w in ((50, 0.8), (100, 1.9))
    ]
    drawn = charts.corridor(SimpleNamespace(points=points, title="Failures"))
    assert "0,50 50.00,27.00 100.00,4.00" in drawn
    assert "100 requests" in drawn
