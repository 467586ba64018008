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
from serving.states import PauseKind, StepKind, StepState, Trigger, Verdict


def run(rollout: Rollout, step: RolloutStep) -> Result:
    """Judge what has been answered and reported up to now."""
    policy = _granted(policy_of(rollout.deployment), step)
    stages = stage_counts(rollout)
    requests = sum(stage.requests for stage in stages)
    readings = [signal.read(stages, policy=policy) for signal in SIGNALS]
    for reading in readings:
        _keep(rollout, step, reading, requests)
    if requests != rollout.requests_count:
        Rollout.objects.filter(pk=rollout.pk).update(requests_count=requests)
        rollout.requests_count = requests
    begun_at = step.started_at or clock.now()
    outcome = conclude(
        readings,
        stages,
        policy=policy,
        days=days_of(rollout),
        stage_minutes=(clock.now() - begun_at).total_seconds() / 60,
    )
    if outcome.verdict is Verdict.FAILED:
        return roll_back(outcome.trigger or Trigger.ERROR_RATE_HIGH, outcome.words)
    if outcome.verdict is Verdict.SUCCESSFUL:
        return done(outcome.words)
    if outcome.verdict is Verdict.INCONCLUSIVE:
        return pause(outcome.words, PauseKind.INCONCLUSIVE)
    return wait(outcome.words)


def days_of(rollout: Rollout) -> float:
    """Days since the rollout's start."""
    return (clock.now() - rollout.started_at).total_seconds() / 86400


def grant(rollout: Rollout, step: RolloutStep) -> None:
    """Let a paused analysis, and those after it, take longer.

    An undecided one gets as many requests and days again as the policy says, from now on;
    otherwise the days of the pause are given back.
    """
    policy, days = policy_of(rollout.deployment), days_of(rollout)
    before = _granted(policy, step)
    if rollout.paused_kind == PauseKind.INCONCLUSIVE:
        # The weight stayed while it was paused, so there are more than it had seen.
        answered = sum(stage.requests for stage in stage_counts(rollout))
        requests = answered + policy.max_requests
        until = days + policy.max_days
    else:
        requests = before.max_requests
        paused_at = rollout.paused_at or clock.now()
        until = before.max_days + (clock.now() - paused_at).total_seconds() / 86400
    later = rollout.steps.filter(kind=StepKind.ANALYSE, index__gte=step.index)
    for each in later.exclude(state=StepState.DONE):
        each.params = {**each.params, "max_requests": requests, "max_days": until}
        each.save(update_fields=["params"])
        if each.pk == step.pk:
            step.params = each.params


def _granted(policy: DeploymentPolicy, step: RolloutStep) -> DeploymentPolicy:
    """The policy with what was set for this step alone."""
    params = step.params
    limit = params.get("report_limit") or policy.max_report_rate
    return replace(
        policy,
        max_requests=int(params.get("max_requests", policy.max_requests)),
        max_days=float(params.get("max_days", policy.max_days)),
        max_report_rate=limit,
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
