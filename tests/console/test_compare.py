"""Two versions side by side: what differs, on the same cases, and how much each module changed."""

import numpy as np
import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from compliance.models import CheckRun
from compliance.services import check_runs
from config.console.selectors.heat import heat_map
from tests.factories import console, registry

pytestmark = pytest.mark.django_db(transaction=True)
PATH = "/console/compare/"


def _text(answer):
    assert answer.status_code == 200
    return answer.content.decode().replace("&#x27;", "'")


@pytest.fixture
def two(world):
    return console.version(world, name="v1"), console.version(world, name="v2")


def test_results_are_compared_on_the_same_cases(world, as_user, two):
    adults = console.evaluation_set(world, name="adults", size=120, level="adult")
    children = console.evaluation_set(world, name="children", size=60, level="child")
    for version, right in zip(two, (100, 110), strict=True):
        console.evaluate(world, version, adults, right=right)
    console.evaluate(world, two[0], children, right=50)
    answer = as_user(world.reviewer).get(PATH, {"a": "triage@v1", "b": str(two[1].uuid)})
    text = _text(answer)
    assert "On the same 120 cases v2 has 10 right that v1 had wrong, and 0 wrong that" in text
    assert "100 of 120 right, at least 77 % (95 % sure)" in text
    assert "(10 newly right, 0 newly wrong)" in text
    assert "+8.3 points" in text
    assert "no common cases" in text
    assert "not evaluated" in text
    page = answer.context["page"]
    swapped = as_user(world.reviewer).get(PATH, {"a": "triage@v2", "b": "triage@v1"})
    other = swapped.context["page"]
    assert other.overall.difference == pytest.approx(-page.overall.difference)
    assert (other.overall.b, other.overall.c) == (0, 10)


def test_norms_are_those_of_the_weights_themselves(world, as_user, two):
    page = as_user(world.reviewer).get(PATH, {"a": "triage@v1", "b": "triage@v2"}).context["page"]
    heat = page.heat
    expected = _norms_by_hand(two[0])
    assert heat.totals[0] == pytest.approx(sum(n**2 for n in expected.values()) ** 0.5, rel=1e-4)
    found = {
        (row.layer, kind): pair[0].norm
        for row in heat.rows
        for kind, pair in zip(heat.kinds, row.pairs, strict=True)
        if pair[0].norm is not None
    }
    assert found == pytest.approx(expected, rel=1e-4)
    assert max(cell.heat for row in heat.rows for pair in row.pairs for cell in pair) == 8


def _norms_by_hand(version):
    """‖scale · B · A‖ by (layer, kind), from the stored file with whole matrices."""
    from safetensors.numpy import load

    from registry.selectors import files_of
    from registry.services import blobs

    row = next(f for f in files_of(version) if f.path == "adapter_model.safetensors")
    with blobs.open(row.blob) as stream:
        tensors = load(stream.read())
    scale = version.peft_facts["alpha"] / version.peft_facts["rank"]
    norms = {}
    for name, a in tensors.items():
        if not name.endswith(".lora_A.weight"):
            continue
        module = name.removeprefix("base_model.model.").removesuffix(".lora_A.weight")
        b = tensors[name.replace("lora_A", "lora_B")]
        delta = scale * b.astype(np.float64) @ a.astype(np.float64)
        layer = next(int(part) for part in module.split(".") if part.isdigit())
        norms[layer, module.rsplit(".", 1)[-1]] = float(np.linalg.norm(delta))
    return norms


def test_a_map_needs_a_measurement(world, as_user):
    console.version(world, name="v1")
    unchecked = console.version(world, name="v2", checked=False)
    text = _text(as_user(world.reviewer).get(PATH, {"a": "triage@v2", "b": "triage@v2"}))
    assert "The package checks measure them" in text
    assert "These are the same bytes." in text
    for run in CheckRun.objects.filter(version=unchecked, state="waiting"):
        check_runs.execute(run_id=run.pk)
    text = _text(as_user(world.reviewer).get(PATH, {"a": "triage@v1", "b": "triage@v2"}))
    assert "Norm of the update by layer and module" in text
    assert heat_map([], []) is None


def test_configuration_files_label_and_cost(world, as_user):
    console.version(world, name="v1")
    other = registry.version(
        of=world.adapter,
        user=world.engineer,
        version_name="v2",
        files={**registry.package(rank=8, seed=7), "README.md": b"# more"},
        label={**console.LABEL, "limits": "None are known."},
    )
    text = _text(as_user(world.reviewer).get(PATH, {"a": "triage@v1", "b": str(other.uuid)}))
    for said in ("<td>4</td><td>8</td>", "None are known.", "only in the second", "differs"):
        assert said in text
    assert "label: limits" in text


def test_unknown_and_unrelated_versions_are_told(world, as_user, two):
    client = as_user(world.reviewer)
    nowhere = client.get(PATH, {"a": "triage@v9", "b": "triage@v1"})
    assert "There is no version triage@v9" in _text(nowhere)
    assert 'value="triage@v1"' in _text(nowhere)
    assert 'id="fault-a"' in _text(client.get(PATH, {"a": "what is this?", "b": "triage@v1"}))
    assert "Choose two versions." in _text(client.get(PATH))
    stranger = registry.adapter(name="Discharge letters", slug="letters", owner=world.engineer)
    registry.version(of=stranger, user=world.engineer, version_name="v1")
    text = _text(client.get(PATH, {"a": "triage@v1", "b": "letters@v1"}))
    assert "versions of different adapters: Triage assistant and Discharge letters" in text


def test_more_sets_ask_no_more_queries(world, as_user, two):
    client = as_user(world.reviewer)

    def count():
        with CaptureQueriesContext(connection) as seen:
            _text(client.get(PATH, {"a": str(two[0].uuid), "b": str(two[1].uuid)}))
        return len(seen)

    first = console.evaluation_set(world, name="a0", size=40, level="adult")
    for version in two:
        console.evaluate(world, version, first, right=36)
    before = count()
    for number in (1, 2):
        more = console.evaluation_set(world, name=f"a{number}", size=40, level="child")
        for version in two:
            console.evaluate(world, version, more, right=30)
    assert count() == before <= 30
