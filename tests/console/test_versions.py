"""The version page: verdict, findings, results, and its acts."""

import pytest

from compliance.models import ApprovalRequest, EvaluationRun, Stop
from registry.selectors import current_label
from serving.models import Rollout
from tests.factories import console, registry

pytestmark = pytest.mark.django_db(transaction=True)


def _path(version):
    return f"/console/versions/{version.uuid}/"


def _text(answer):
    return answer.content.decode().replace("&#x27;", "'")


def test_a_version_from_upload_to_canary(world, as_user):
    version = console.version(world, name="v1")
    engineer, operator = as_user(world.engineer), as_user(world.operator)
    path = _path(version)
    assert "what is missing is an evaluation" in _text(engineer.get(path))

    adults = console.evaluation_set(world, name="adults", size=120, level="adult")
    children = console.evaluation_set(world, name="children", size=60, level="child")
    console.evaluate(world, version, adults, right=112)
    text = _text(engineer.get(path))
    assert "112 of 120 right, at least 89 % (95 % sure)" in text
    assert "can't be signed" in text
    assert "Only 0 cases for age_group=child" in text

    refused = engineer.post(path, {"act": "request-approval"})
    assert refused.status_code == 409
    assert "CLN-04" in _text(refused)

    answer = engineer.post(path, {"act": "evaluate", "evaluation_set": children.uuid})
    assert answer.status_code == 302
    assert EvaluationRun.objects.filter(version=version, state="waiting").count() == 1

    console.evaluate(world, version, children, right=57)
    assert "Nothing speaks against this version." in _text(engineer.get(path))
    assert engineer.post(path, {"act": "request-approval"}).status_code == 302
    request = ApprovalRequest.objects.get(version=version)
    assert "2 signatures are missing" in _text(engineer.get(path))

    console.deployment(world)
    early = operator.post(path, {"act": "deploy", "deployment": "triage"})
    assert early.status_code == 403
    assert "has no permission" in _text(early)
    console.sign(world, request, world.reviewer, "reviewed_technical")
    console.sign(world, request, world.clinician, "approved")
    assert "Approved for deployment." in _text(engineer.get(path))

    console.node(world)
    answer = operator.post(path, {"act": "deploy", "deployment": "triage"})
    rollout = Rollout.objects.get()
    assert answer.headers["Location"] == f"/console/rollouts/{rollout.uuid}/"
    assert operator.get(answer.headers["Location"]).status_code == 200
    text = _text(operator.get(path))
    assert "A rollout is under way; there is one at a time." in text
    assert "It is approved. More evidence would make a new revision." in _text(engineer.get(path))


def test_what_changed_names_the_files_whose_bytes_differ(world, as_user):
    live = console.version(world, name="v1", seed=1)
    registry.go_live(live)
    text = {"README.md": b"# The same weights, and a word on them"}
    described = registry.version(
        of=world.adapter,
        user=world.engineer,
        files={**registry.package(rank=4, seed=1), **text},
        label=console.LABEL,
    )
    other = console.version(world, name="v3", seed=2)
    client = as_user(world.engineer)

    def changed(version):
        page = client.get(_path(version)).context["page"]
        shown = _text(client.get(_path(version))).partition('id="changes"')[2]
        shown = shown.partition("</section>")[0]
        assert all(f"<code>{line.path}</code>" in shown for line in page.changed_files)
        return shown, [line.path for line in page.changed_files]

    shown, paths = changed(described)
    assert paths == ["README.md"]
    assert "not there" in shown
    assert "weights" not in shown
    assert changed(other)[1] == ["adapter_model.safetensors"]


def test_who_lacks_the_role_is_told_who_could(world, as_user):
    version = console.version(world, name="v1", checked=False)
    answer = as_user(world.reviewer).post(_path(version), {"act": "deploy", "deployment": "triage"})
    assert answer.status_code == 403
    text = _text(answer)
    assert "This needs the role ML engineer or Operator." in text
    assert "Ada Example, Dan Example" in text


def test_the_label_is_changed_and_a_malformed_one_is_refused(world, as_user):
    version = console.version(world, name="v1", checked=False)
    engineer = as_user(world.engineer)
    values = {"act": "label", "purpose": "Sorts notes", "limits": "English only"}
    refused = engineer.post(_path(version), values | {"population": "grown-ups"})
    assert refused.status_code == 400
    assert "names no population" in _text(refused)
    assert "English only" in _text(refused)
    good = engineer.post(_path(version), values | {"population": "age_group: adult"})
    assert good.status_code == 302
    label = current_label(version)
    assert label is not None
    assert label.population == [{"attribute": "age_group", "level": "adult"}]


def test_one_person_stops_and_two_release(world, as_user):
    version = console.version(world, name="v1", checked=False)
    path = _path(version)
    node = console.node(world)
    console.replica(node, version)
    operator, reviewer = as_user(world.operator), as_user(world.reviewer)
    shown = _text(operator.get(path))
    assert "1 node, 0 deployments, 3 requests in flight" in shown
    assert operator.post(path, {"act": "stop", "reason": " "}).status_code == 400
    assert operator.post(path, {"act": "stop", "reason": "odd answers"}).status_code == 302
    assert "Stopped everywhere." in _text(operator.get(path))
    operator.post(path, {"act": "ask-release", "reason": "a false alarm"})
    same = operator.post(path, {"act": "release"})
    assert same.status_code == 403
    assert "it takes a second person" in _text(same)
    assert reviewer.post(path, {"act": "release"}).status_code == 302
    assert Stop.objects.filter(released_at__isnull=True).count() == 0
    assert reviewer.post(path, {"act": "release"}).status_code == 404


def test_an_unknown_act_and_an_unknown_version(world, as_user):
    version = console.version(world, name="v1", checked=False)
    client = as_user(world.engineer)
    assert client.post(_path(version), {"act": "approve"}).status_code == 400
    missing = client.get("/console/versions/00000000-0000-0000-0000-000000000000/")
    assert missing.status_code == 404
    assert "There is no version" in _text(missing)


@pytest.mark.parametrize(
    ("act", "field"), [("evaluate", "evaluation_set"), ("deploy", "deployment"), ("stop", "reason")]
)
def test_a_field_that_holds_nul_is_named_and_nothing_is_done(world, as_user, act, field):
    version = console.version(world, name="v1")
    refused = as_user(world.engineer).post(_path(version), {"act": act, field: "a\0b"})
    assert refused.status_code == 400
    assert f"In this form {field} holds the character U+0000" in _text(refused)
    assert not Stop.objects.exists()
    assert not EvaluationRun.objects.exists()
    assert not Rollout.objects.exists()
