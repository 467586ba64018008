"""Where every page of the console is, who opens it there, and what under it is no page."""

from collections.abc import Callable, Mapping

from compliance.models import EvaluationRun

from .house import House

Address = Callable[[House], str]


def _evaluation(house: House) -> str:
    run = EvaluationRun.objects.filter(version=house.v6, state="done").order_by("pk").first()
    assert run is not None
    return f"/console/evaluations/{run.uuid}/"


PAGES: Mapping[str, tuple[str, Address]] = {
    "today": ("reviewer", lambda house: "/console/"),
    "today-operator": ("operator", lambda house: "/console/"),
    "adapters": ("engineer", lambda house: "/console/adapters/"),
    "adapter": ("engineer", lambda house: "/console/adapters/triage/"),
    "versions": ("engineer", lambda house: "/console/versions/"),
    "version": ("engineer", lambda house: f"/console/versions/{house.v6.uuid}/"),
    "version-blocked": ("engineer", lambda house: f"/console/versions/{house.v3.uuid}/"),
    "version-approved": ("engineer", lambda house: f"/console/versions/{house.v5.uuid}/"),
    "compare": ("engineer", lambda house: f"/console/compare/?a={house.v2.uuid}&b={house.v5.uuid}"),
    "evaluation": ("clinician", _evaluation),
    "training-runs": ("engineer", lambda house: "/console/training/"),
    "training-run": ("engineer", lambda house: f"/console/training/{house.training.uuid}/"),
    "avatars": ("engineer", lambda house: "/console/avatars/"),
    "avatar": ("engineer", lambda house: "/console/avatars/night-desk/"),
    "approvals": ("clinician", lambda house: "/console/approval-requests/"),
    "signing": (
        "reviewer",
        lambda house: f"/console/approval-requests/{house.request.uuid}/sign/",
    ),
    "deployments": ("operator", lambda house: "/console/deployments/"),
    "deployment": ("operator", lambda house: "/console/deployments/triage/"),
    "rollouts": ("operator", lambda house: "/console/rollouts/"),
    "rollout": ("operator", lambda house: f"/console/rollouts/{house.running.uuid}/"),
    "rollout-ended": ("operator", lambda house: f"/console/rollouts/{house.rolled_back.uuid}/"),
    "playground": ("clinician", lambda house: "/console/playground/"),
    "nodes": ("operator", lambda house: "/console/nodes/"),
    "engine-profiles": ("operator", lambda house: "/console/engine-profiles/"),
    "system": ("operator", lambda house: "/console/system/"),
    "holds": ("officer", lambda house: "/console/holds/"),
    "version-held": ("officer", lambda house: f"/console/versions/{house.v2.uuid}/"),
    "audit": ("operator", lambda house: "/console/audit/"),
    "records": ("operator", lambda house: "/console/accounts/user/"),
    "record": (
        "operator",
        lambda house: f"/console/accounts/user/{house.world.reviewer.pk}/change/",
    ),
}
NOT_PAGES: Mapping[str, str] = {
    "audit-export": "a CSV file",
    "evaluation-progress": "a part of the evaluation's page",
    "playground-answers": "the stream of answers",
    "playground-report": "takes the report of an answer",
    "training-progress": "a part of the training's page",
    "rollout-events": "server-sent events of the rollout's page",
}
