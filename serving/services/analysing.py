"""The analysis step: counts, evidence, a row of the curve when counts changed, a decision."""

from dataclasses import replace

from config.core import clock
from serving.analysis import SIGNALS
from serving.domain.policy import DeploymentPolicy
from serving.domain.verdicts import Reading, conclude
from serving.models import AnalysisRun, Rollout, RolloutStep
from serving.selectors.deployments import policy_of
from serving.selectors.evidence import stage_counts
from serving.services.step_results import Result, done, pause, roll_back, wait
from serving.states import Trigger, Verdict


def run(rollout: Rollout, step: RolloutStep) -> Result:
    """Judge what has been answered and reported up to now."""
    policy = policy_of(rollout.deployment)
    stages = stage_counts(rollout)
    requests = sum(stage.requests for stage in stages)
    readings = [signal.read(stages, policy=policy) for signal in SIGNALS]
    for reading in readings:
        _keep(rollout, step, reading, requests)
    if requests != rollout.requests_count:
        Rollout.objects.filter(pk=rollout.pk).update(requests_count=requests)
        rollout.requests_count = requests
    days = (clock.now() - rollout.started_at).total_seconds() / 86400
    outcome = conclude(readings, stages, policy=_extended(policy, step), days=days)
    if outcome.verdict is Verdict.FAILED:
        return roll_back(outcome.trigger or Trigger.ERROR_RATE_HIGH, outcome.words)
    if outcome.verdict is Verdict.SUCCESSFUL:
        return done(outcome.words)
    if outcome.verdict is Verdict.INCONCLUSIVE:
        return pause(outcome.words)
    return wait(outcome.words)


def _extended(policy: DeploymentPolicy, step: RolloutStep) -> DeploymentPolicy:
    """A person who resumes an undecided analysis grants as much again as the policy did."""
    times = 1 + int(step.params.get("extensions", 0))
    return replace(
        policy, max_requests=policy.max_requests * times, max_days=policy.max_days * times
    )


def _keep(rollout: Rollout, step: RolloutStep, reading: Reading, requests: int) -> None:
    last = (
        AnalysisRun.objects.filter(rollout=rollout, signal=reading.signal).order_by("-pk").first()
    )
    if last is not None:
        counts = (
            last.canary_count,
            last.canary_bad_count,
            last.stable_count,
            last.stable_bad_count,
        )
        if counts == reading.counts:
            return
    AnalysisRun.objects.create(
        rollout=rollout,
        step_index=step.index,
        stage=rollout.stage,
        signal=reading.signal,
        verdict=reading.verdict,
        requests_count=requests,
        canary_count=reading.canary_count,
        canary_bad_count=reading.canary_bad_count,
        stable_count=reading.stable_count,
        stable_bad_count=reading.stable_bad_count,
        log10_worse=reading.log10_worse,
        log10_safe=reading.log10_safe,
        log10_limit=reading.log10_limit,
        needed_requests=reading.needed_requests,
        detail=dict(reading.detail),
    )
