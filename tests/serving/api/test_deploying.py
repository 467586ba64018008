"""Deploying through REST: who may, what is answered, what a refusal says."""

from typing import Any

import pytest
from rest_framework.test import APIClient

from config.accounts.roles import Role
from serving.models import Deployment, Node, Rollout
from tests.factories import accounts
from tests.factories import compliance as judge
from tests.factories.serving import SECRET, House, add_answers

CONTRACT = {"max_tokens": 6, "pattern": "(routine|soon|urgent)", "stop_reasons": ["stop"]}


def client_of(*roles: Role) -> APIClient:
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {accounts.token_text(accounts.user(*roles))}")
    return client


@pytest.fixture
def operator() -> APIClient:
    return client_of(Role.OPERATOR)


def create(client: APIClient, house: House, **values: Any) -> Any:
    body = {"public_name": "triage", "adapter": house.adapter.slug, **values}
    return client.post("/api/v1/deployments", body, format="json")


def test_a_deployment_is_opened_with_contract_and_policy(house: House, operator: APIClient) -> None:
    made = create(operator, house, output_contract=CONTRACT, policy={"stages": [10, 30]})
    assert made.status_code == 201, made.json()
    body = made.json()
    assert (body["public_name"], body["stable_runtime_name"]) == ("triage", "")
    assert body["policy"]["stages"] == [10, 30] and body["policy"]["alpha"] == 0.05
    assert operator.get(made["Location"]).json() == body
    again = create(operator, house)
    assert (again.status_code, again.json()["code"]) == (409, "deployment-exists")


@pytest.mark.parametrize(
    ("values", "code", "word"),
    [
        ({"output_contract": {"pattern": "(("}}, "contract-invalid", "pattern"),
        ({"output_contract": {"pattern": "x*"}}, "deployment-invalid", "empty answer"),
        ({"output_contract": {"patern": "x"}}, "contract-invalid", "patern"),
        ({"policy": {"stages": [0]}}, "policy-invalid", "stages"),
        ({"public_name": "Big Name"}, "deployment-invalid", "public name"),
        ({"adapter": "nobody"}, "adapter-not-found", "nobody"),
    ],
)
def test_what_is_wrong_is_said(
    house: House, operator: APIClient, values: dict[str, Any], code: str, word: str
) -> None:
    answer = create(operator, house, **values)
    body = answer.json()
    assert 400 <= answer.status_code < 500
    assert body["code"] == code and word in body["detail"] and body["type"].endswith(code)
    assert not Deployment.objects.exists()


def test_only_those_who_deploy_may(house: House) -> None:
    reviewer = client_of(Role.REVIEWER)
    assert create(reviewer, house).status_code == 403
    assert reviewer.get("/api/v1/deployments").status_code == 200
    assert APIClient().get("/api/v1/rollouts").status_code == 401
    assert reviewer.post("/api/v1/nodes", {}, format="json").status_code == 403


def test_a_rollout_from_start_to_rollback_M30_M31_M155(house: House, operator: APIClient) -> None:
    sets = [house.evaluation_set(given=judge.items(120))]
    first, second = (house.version(evaluated_on=sets) for _ in range(2))
    assert create(operator, house, output_contract=CONTRACT).status_code == 201
    start = {"deployment": "triage", "version": str(first.uuid), "strategy": "canary"}
    started = operator.post("/api/v1/rollouts", start, format="json")
    assert started.status_code == 201, started.json()
    assert started.json()["to_runtime_name"] == first.runtime_name
    refused = operator.post("/api/v1/rollouts", start, format="json")
    assert (refused.status_code, refused.json()["code"]) == (409, "rollout-open")
    house.settle(5)
    live = operator.get("/api/v1/deployments/triage").json()
    assert live["stable_runtime_name"] == first.runtime_name

    ref = f"{house.adapter.slug}@sha256:{second.digest}"
    started = operator.post("/api/v1/rollouts", {**start, "version": ref}, format="json")
    uuid = started.json()["uuid"]
    house.settle(5)
    seen = operator.get(f"/api/v1/rollouts/{uuid}").json()
    assert (seen["weight_percent"], seen["stage"], seen["state"]) == (20, 1, "running")
    assert 0 < seen["progress_percentage"] < 100
    assert "20 % of the requests" in seen["sentence"]
    assert [step["kind"] for step in seen["steps"]][:3] == ["load", "evaluate", "set_weight"]
    assert {row["signal"] for row in seen["readings"]} == {"comparison", "failures", "reports"}
    curve = operator.get(f"/api/v1/rollouts/{uuid}/evidence").json()["results"]
    assert len(curve) == 3
    assert operator.get("/api/v1/rollouts?limit=1").json()["results"][0]["uuid"] == uuid

    for act, state in (("pause", "paused"), ("resume", "running"), ("abort", "aborting")):
        url = f"/api/v1/rollouts/{uuid}/{act}"
        assert operator.post(url, {}, format="json").status_code == 400, "a reason is asked for"
        answer = operator.post(url, {"reason": "because"}, format="json")
        assert (answer.status_code, answer.json()["state"]) == (200, state)
    over = operator.post(f"/api/v1/rollouts/{uuid}/pause", {"reason": "late"}, format="json")
    assert over.status_code == 409
    house.settle(6)
    assert operator.get(f"/api/v1/rollouts/{uuid}").json()["state"] == "aborted"
    assert operator.get("/api/v1/deployments/triage/expectation").json()["requests"] > 0
    nothing = operator.post(
        "/api/v1/deployments/triage/rollback", {"reason": "bad night"}, format="json"
    )
    assert (nothing.status_code, nothing.json()["code"]) == (409, "nothing-to-roll-back-to")


def test_a_preview_a_strategy_and_the_two_words_for_going_back(
    house: House, operator: APIClient
) -> None:
    sets = [house.evaluation_set(given=judge.items(120))]
    first, second = (house.version(evaluated_on=sets) for _ in range(2))
    deployment = house.live(first)
    name = deployment.public_name
    start = {"deployment": name, "version": str(second.uuid), "strategy": "blue_green"}
    told = operator.get("/api/v1/rollouts/preview", start).json()
    assert [stage["weight_percent"] for stage in told["cases"][0]["stages"]] == [100]
    assert {case["kind"] for case in told["cases"]} == {"good", "failing", "reported"}
    wrong = operator.get("/api/v1/rollouts/preview", {**start, "strategy": "hope"})
    assert wrong.status_code == 400
    assert operator.get("/api/v1/rollouts/preview", {"deployment": "nobody"}).status_code == 404

    made = operator.post("/api/v1/rollouts", start, format="json").json()
    assert (made["strategy"], made["steps"][2]["params"]["weight_percent"]) == ("blue_green", 100)
    back = f"/api/v1/deployments/{name}/rollback"
    early = operator.post(back, {"reason": "x"}, format="json").json()
    assert early["code"] == "abort-applies" and made["uuid"] in early["fix"]
    act = f"/api/v1/rollouts/{made['uuid']}"
    by_hand = operator.post(f"{act}/promote", {"reason": "x"}, format="json").json()
    assert by_hand["code"] == "promotion-refused"
    paused = operator.post(f"{act}/pause", {"reason": "x"}, format="json").json()
    assert (paused["state"], paused["paused_kind"]) == ("paused", "person")
    assert operator.post(f"{act}/abort", {"reason": "x"}, format="json").status_code == 200
    house.settle(4)
    over = Rollout.objects.get(deployment=deployment, state="promoted")
    late = operator.post(f"/api/v1/rollouts/{over.uuid}/abort", {"reason": "x"}, format="json")
    assert late.json()["code"] == "abort-too-late"
    never = {"reason": "x", "to": str(second.uuid)}
    assert operator.post(back, never, format="json").json()["code"] == "rollback-invalid"
    gone = {"reason": "x", "leaving": str(second.uuid)}
    assert operator.post(back, gone, format="json").status_code == 409


def test_counts_tell_what_clients_got(house: House, operator: APIClient) -> None:
    sets = [house.evaluation_set(given=judge.items(120))]
    first, second = (house.version(evaluated_on=sets) for _ in range(2))
    deployment = house.live(first)
    rollout = house.start(deployment, second)
    house.settle(5)
    add_answers(rollout, canary=3, stable=4)
    from serving.states import FailureKind

    add_answers(rollout, canary=2, failure=FailureKind.EMPTY, was_replaced=True)
    url = f"/api/v1/deployments/{deployment.public_name}/counts"
    assert operator.get(url).json() == {
        "answers": 7,
        "failed": 0,
        "replaced_by_stable": 2,
        "reported": 0,
    }


def test_nodes_are_registered_listed_and_switched_off(house: House, operator: APIClient) -> None:
    body = {
        "name": "gpu-7",
        "url": "http://10.0.0.7:8080",
        "secret": SECRET,
        "base_model": house.base.slug,
        "engine": "torch",
    }
    made = operator.post("/api/v1/nodes", body, format="json")
    assert made.status_code == 201 and "secret" not in made.json()
    short = operator.post("/api/v1/nodes", {**body, "secret": "x"}, format="json")
    assert (short.status_code, short.json()["code"]) == (400, "node-invalid")
    listed = operator.get("/api/v1/nodes").json()["results"]
    assert [row["name"] for row in listed] == ["gpu-7", house.node.name]
    assert [row["is_usable"] for row in listed] == [False, True]
    off = operator.post("/api/v1/nodes/gpu-7/disable", {"reason": "repair"}, format="json")
    assert off.json()["is_enabled"] is False
    assert Node.objects.get(name="gpu-7").is_enabled is False
    assert operator.get("/api/v1/nodes/nobody").json()["code"] == "node-not-found"


def test_replicas_show_what_is_proven(house: House, operator: APIClient) -> None:
    first = house.version(evaluated_on=[house.evaluation_set()])
    house.live(first)
    (row,) = operator.get("/api/v1/replicas").json()["results"]
    assert (row["runtime_name"], row["state"], row["is_proven"], row["is_same_as_base"]) == (
        first.runtime_name,
        "ready",
        True,
        False,
    )
