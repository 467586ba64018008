"""What a rollout costs is told before it is started, and chance agrees with it."""

import random
from datetime import timedelta

import pytest

from config.core import clock
from serving.analysis import SIGNALS
from serving.domain.forecast import forecast
from serving.domain.policy import DeploymentPolicy
from serving.domain.steps import Situation
from serving.domain.trials import Behaviour, play
from serving.errors import RolloutInvalid
from serving.models import Answer
from serving.selectors.previews import preview
from serving.services import rollouts
from serving.states import Verdict
from serving.strategies import CHOSEN_BY_PEOPLE, STRATEGIES
from tests.factories import compliance as judge
from tests.factories.serving import add_answers, report
from tests.factories.trials import Desk, advanced


@pytest.mark.parametrize("strategy", CHOSEN_BY_PEOPLE)
@pytest.mark.parametrize(
    "canary",
    [
        Behaviour(report_rate=0.16),
        Behaviour(report_rate=0.01),
        Behaviour(failure_rate=0.2, report_rate=0.01),
        Behaviour(report_rate=0.5),
    ],
)
def test_what_is_foretold_is_what_chance_brings(strategy: str, canary: Behaviour) -> None:
    policy, stable = DeploymentPolicy(), Behaviour(report_rate=0.16)
    steps = STRATEGIES[strategy].steps(
        Situation(stages=policy.stages, has_stable=True, report_limit=0.32)
    )
    told = forecast(
        steps=steps,
        signals=SIGNALS,
        policy=policy,
        canary=canary,
        stable=stable,
        watch_requests=200,
    )
    endings = [
        play(
            steps=steps,
            signals=SIGNALS,
            policy=policy,
            canary=canary,
            stable=stable,
            chance=random.Random(f"{strategy}-{number}"),
            look_every=10,
            watch_requests=200,
        )
        for number in range(60)
    ]
    usual = sorted(ending.requests for ending in endings)[30]
    same = sum(ending.verdict is told[-1].verdict for ending in endings)
    assert same >= 48, told
    assert 0.5 * usual <= sum(stage.requests for stage in told) <= 1.7 * usual


@pytest.mark.django_db
def test_a_preview_names_requests_days_and_evaluation_answers() -> None:
    desk = Desk()
    first, second = desk.version(), desk.version()
    deployment = desk.deployment()
    before = preview(deployment, second)
    assert (before.is_first, before.cases, before.evaluation_answers) == (True, [], 0)
    assert "evaluation alone" in before.words

    deployment = desk.live(first)
    trial = desk.start(deployment, second)
    report(add_answers(trial, stable=200)[:40])
    rollouts.abort(rollout=trial, **desk.by())
    advanced(trial)
    Answer.objects.filter(deployment=deployment).update(at=clock.now() - timedelta(days=2))
    judge.evaluated(second, on=judge.evaluation_set(given=judge.items(12)))
    found = preview(deployment, second)
    assert found.answers_a_day == pytest.approx(100, rel=0.05)
    assert found.evaluation_answers == 12, "the version in use has no run on the newer set"
    good, failing, reported = found.cases
    assert good.verdict is Verdict.SUCCESSFUL and good.days is not None
    assert good.days == pytest.approx(good.requests / found.answers_a_day, rel=0.01)
    assert [stage.weight_percent for stage in good.stages] == [20, 50]
    assert str(good.requests) in found.words and "12 evaluation answers" in found.words
    assert failing.verdict is reported.verdict is Verdict.FAILED
    assert failing.candidate_answers < good.candidate_answers
    switch = preview(deployment, second, strategy="blue_green")
    assert [stage.weight_percent for stage in switch.cases[0].stages] == [100]
    with pytest.raises(RolloutInvalid):
        preview(deployment, second, strategy="hope")
