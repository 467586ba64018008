"""Prometheus's numbers: parsed, bounded, without anybody's words, and known to the rules."""

import re
import time
from pathlib import Path

import httpx
import pytest
import yaml
from django.test import Client
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from config.core import clock
from serving.gateway.gateway import Gateway
from serving.health.measuring import measure
from serving.metrics.answers import ANSWERS, AnswerMetrics
from serving.metrics.exposition import exposition
from serving.metrics.labels import MAX_NAMES, OTHER, BoundedNames
from serving.metrics.state import bounded
from serving.node.metrics import exposition as node_exposition
from serving.services.answers import AnswerRow
from serving.states import Arm, FailureKind
from tests.architecture.environment import ROOT
from tests.factories import gateway as make
from tests.serving.gateway.conftest import FAST, World
from tests.serving.gateway.conftest import world as world

RULES = ROOT / "deploy" / "alerts.yml"
NAME = re.compile(r"formulary_[a-z0-9_]+")
TEXT = "a cough since Tuesday, Mrs Example"


def _families(text: str) -> dict[str, list]:
    return {family.name: family.samples for family in text_string_to_metric_families(text)}


def _row(**values) -> AnswerRow:
    given = {
        "answer_id": "a",
        "deployment_pk": 1,
        "rollout_pk": None,
        "arm": Arm.STABLE,
        "stage": 0,
        "digest": "d" * 64,
        "node_name": "node-1",
        "unit": "",
        "failure": FailureKind.NONE,
        "was_replaced": False,
        "replaces_answer_id": "",
        "token_name": "ward",
        "prompt_tokens": 7,
        "completion_tokens": 5,
        "first_token_ms": 40,
        "duration_ms": 400,
        "at": clock.now(),
    }
    return AnswerRow(**{**given, **values})


def _value(families: dict[str, list], name: str, **labels: str) -> float:
    return sum(
        sample.value
        for family in families.values()
        for sample in family
        if sample.name == name and labels.items() <= sample.labels.items()
    )


def test_ten_thousand_names_are_two_hundred_labels_and_other() -> None:
    names = BoundedNames()
    labels = {names.of(f"model-{index}") for index in range(10_000)}
    assert len(labels) == MAX_NAMES + 1
    assert OTHER in labels
    assert names.of("model-0") == "model-0"
    rows = list(bounded((f"node-{index:05}", 1.0) for index in range(10_000)))
    assert len(rows) == MAX_NAMES + 1
    assert sum(number for _, number in rows) == 10_000


def test_answers_are_counted_by_what_became_of_them() -> None:
    counted = AnswerMetrics()
    counted.answered(_row(), public_name="triage")
    counted.answered(_row(failure=FailureKind.TIMEOUT, first_token_ms=None), public_name="triage")
    counted.answered(
        _row(arm=Arm.CANARY, failure=FailureKind.EMPTY, was_replaced=True), public_name="triage"
    )
    families = _families(generate_latest(counted.registry).decode())
    for arm, outcome in (("stable", "ok"), ("stable", "timeout"), ("canary", "replaced")):
        assert _value(families, "formulary_answers_total", arm=arm, outcome=outcome) == 1
    assert _value(families, "formulary_tokens_total", kind="completion") == 15
    assert _value(families, "formulary_first_token_seconds_count", arm="stable") == 1


def test_counting_an_answer_costs_no_time_that_matters() -> None:
    counted, row = AnswerMetrics(), _row()
    began = time.process_time()
    for _ in range(5_000):
        counted.answered(row, public_name="triage")
    # Measured at about 10 µs; an answer takes a thousand times as long.
    assert (time.process_time() - began) / 5_000 < 0.0005


@pytest.mark.xdist_group("gateway")
def test_a_running_stack_is_scraped_and_hostile_names_make_no_label(world: World, settings) -> None:
    """A thousand names that nobody deployed, and a prompt: neither reaches label or value."""
    from config.asgi import Application, _django

    settings.METRICS_TOKEN = "a token for this test alone"
    settings.ALLOWED_HOSTS = ["*"]
    deployment = world.deployment(world.version())
    key = make.token()
    with (
        make.served(Application(_django, Gateway(FAST))) as url,
        httpx.Client(base_url=url, headers={"Authorization": f"Bearer {key}"}) as client,
    ):

        def ask(name: str) -> int:
            body = {"model": name, "messages": [{"role": "user", "content": TEXT}]}
            return client.post("/v1/chat/completions", json=body, timeout=20).status_code

        def scrape() -> tuple[str, dict[str, list]]:
            sent = {"Authorization": f"Bearer {settings.METRICS_TOKEN}"}
            answer = client.get("/metrics", headers=sent)
            assert answer.status_code == 200
            return answer.text, _families(answer.text)

        make.until(lambda: ask(deployment.public_name) == 200)
        before_text, before = scrape()
        for index in range(1000):
            assert ask(f'hostile-{index}" }} {TEXT}') == 404
        assert ask(deployment.public_name) == 200
        text, after = scrape()
    name = {"deployment": deployment.public_name}
    counted = "formulary_answers_total"
    assert _value(after, counted, **name) - _value(before, counted, **name) == 1
    refused = {"code": "model_not_found"}
    grown = _value(after, "formulary_refusals_total", **refused)
    assert grown - _value(before, "formulary_refusals_total", **refused) == 1000
    assert after["formulary_component_up"] and after["formulary_node_slots"]
    for word in ("hostile", "cough", "Example", key, settings.METRICS_TOKEN):
        assert word not in text
    lines = [sum(not line.startswith("#") for line in t.splitlines()) for t in (before_text, text)]
    assert lines[1] - lines[0] <= 1, "only the code of the refusal may be new"
    node = _families(node_exposition(world.node.twin).decode())
    assert _value(node, "formulary_node_answers_total") >= 2
    assert _value(node, "formulary_node_swap_seconds_count") >= 1


def test_codes_of_refusals_are_bounded_too() -> None:
    counted = AnswerMetrics()
    for index in range(10_000):
        counted.refused(f"code-{index}")
    samples = _families(generate_latest(counted.registry).decode())["formulary_refusals"]
    assert len({s.labels["code"] for s in samples if s.name.endswith("_total")}) == MAX_NAMES + 1


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("token", "sent", "status"),
    [("", "", 404), ("", "Bearer ", 404), ("right", "", 401), ("right", "Bearer wrong", 401),
     ("right", "Bearer right", 200), ("right", "bearer rïght", 401)],
)  # fmt: skip
def test_metrics_are_told_to_the_bearer_of_the_token_alone(settings, token, sent, status) -> None:
    settings.METRICS_TOKEN = token
    answer = Client().get("/metrics", headers={"Authorization": sent})
    assert answer.status_code == status
    assert (b"formulary_build_info" in answer.content) is (status == 200)


@pytest.mark.django_db(transaction=True)
def test_rules_for_prometheus_name_metrics_that_exist() -> None:
    ANSWERS.answered(_row(), public_name="triage")
    told = _families(exposition(measure()).decode())
    known = {f"{name}_bucket" for name in told} | set(told)
    known |= {sample.name for samples in told.values() for sample in samples}
    # These have samples only where there are leases, or a control loop has run.
    known |= {"formulary_lease_least_left_seconds", "formulary_control_silent_seconds"}
    source = (ROOT / "serving" / "metrics" / "state.py").read_text()
    assert '"lease_least_left_seconds"' in source and '"control_silent_seconds"' in source
    groups = yaml.safe_load(RULES.read_text())["groups"]
    rules = [rule for group in groups for rule in group["rules"]]
    assert len(rules) > 8
    for rule in rules:
        used = set(NAME.findall(rule["expr"]))
        assert used, rule["alert"]
        assert used <= known, (rule["alert"], used - known)
        assert rule["annotations"]["summary"] and rule["labels"]["severity"]


def test_the_page_on_observing_names_every_metric() -> None:
    page = (Path(ROOT) / "docs" / "observing.md").read_text()
    sources = [*(ROOT / "serving" / "metrics").glob("*.py"), ROOT / "serving/node/metrics.py"]
    text = "".join(path.read_text() for path in sources)
    named = set(re.findall(r'"(formulary_[a-z_]+)"', text))
    gauges = re.findall(r'_gauge\(\s*"([a-z_]+)"|^        \("(node_[a-z_]+)",', text, re.M)
    named |= {f"formulary_{a or b}" for a, b in gauges}
    assert len(named) > 30
    assert {name for name in named if f"`{name}" not in page} == set()
