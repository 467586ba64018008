"""The page of legal holds, and the badge of what is held on versions and adapters."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from config.accounts.roles import Role
from config.core.actors import SYSTEM
from registry.models import Hold
from registry.services import holds
from tests.factories import accounts
from tests.factories import registry as make

pytestmark = pytest.mark.django_db
PATH = "/console/holds/"


@pytest.fixture
def version():
    return make.version(of=make.adapter(slug="triage"), version_name="v1")


@pytest.fixture
def officer(as_user):
    return as_user(accounts.user(Role.COMPLIANCE_OFFICER))


def _text(answer, status=200):
    assert answer.status_code == status
    return " ".join(answer.content.decode().split())


def _place(client, **values):
    posted = {"act": "place", "what": "triage@v1", "matter": "case 14", "reason": "A court asked"}
    return client.post(PATH, posted | values, follow=True)


def test_an_empty_page_says_how_to_begin(officer):
    text = _text(officer.get(PATH))
    assert "No legal hold stands." in text and "Nothing is held." in text


def test_a_hold_is_placed_and_released_with_words(officer, version):
    count = version.files.count()
    text = _text(_place(officer))
    assert f"{count} files are held." in text
    assert f"In 1 matter holds keep {count} files," in text
    assert "placed on triage@v1" in text and "A court asked" in text
    assert "holds all of it already" in _text(_place(officer))
    uuids = [str(uuid) for uuid in Hold.objects.values_list("uuid", flat=True)]
    unsaid = officer.post(PATH, {"act": "release", "hold": uuids, "reason": ""})
    assert "A hold needs a reason." in _text(unsaid, 400)
    assert Hold.objects.filter(released_at=None).count() == count
    done = officer.post(PATH, {"act": "release", "hold": uuids, "reason": "Settled"}, follow=True)
    assert f"{count} holds are released." in _text(done)
    assert "Released by" in _text(officer.get(f"{PATH}?state=released"))


@pytest.mark.parametrize(
    ("what", "status"), [("", 400), ("two words", 400), ("nowhere", 404), ("triage@v9", 404)]
)
def test_what_names_nothing_is_refused_on_the_page(officer, version, what, status):
    text = _text(_place(officer, what=what), status)
    assert 'role="alert"' in text and 'value="case 14"' in text
    assert not Hold.objects.exists()


def test_digests_and_whole_adapters_are_understood(officer, version):
    _place(officer, what=f"{'a' * 64} {'b' * 64}")
    assert set(Hold.objects.values_list("sha256", flat=True)) == {"a" * 64, "b" * 64}
    assert "not stored here" in _text(officer.get(PATH))
    _place(officer, what="triage", matter="all")
    assert Hold.objects.filter(placed_on="triage").count() == version.files.count()
    _place(officer, what=str(version.uuid), matter="by its id")
    assert Hold.objects.filter(placed_on="triage@v1").count() == version.files.count()


def test_only_officers_act_and_only_auditors_read(as_user, version):
    operator = as_user(accounts.user(Role.OPERATOR))
    text = _text(operator.get(PATH))
    assert "This needs the role Privacy officer or Compliance officer." in text
    _text(_place(operator), 403)
    engineer = as_user(accounts.engineer())
    _text(engineer.get(PATH), 403)
    assert PATH not in _text(engineer.get("/console/adapters/"))
    assert not Hold.objects.exists()


def test_versions_and_adapters_say_that_they_are_held_and_officers_in_which_matter(
    as_user, officer, version
):
    pages = (f"/console/versions/{version.uuid}/", "/console/adapters/triage/")
    engineer = as_user(accounts.engineer())
    for page in pages:
        assert "under legal hold" not in _text(engineer.get(page))
    file = version.files.select_related("blob").first()
    holds.place(sha256s=[file.blob.sha256], matter="case 14", reason="asked", actor=SYSTEM)
    for page in pages:
        text = _text(engineer.get(page))
        assert "under legal hold" in text and "case 14" not in text
    assert f"1 of its {version.files.count()} files must be kept" in _text(engineer.get(pages[0]))
    assert "case 14" in _text(officer.get(pages[0]))


def test_the_list_asks_a_fixed_number_of_times(officer, version):
    counts = []
    for number in range(2):
        for digit in "0123":
            holds.place(
                sha256s=[f"{number}{digit}" * 32], matter="case", reason="asked", actor=SYSTEM
            )
        _place(officer, matter=f"case {number}")
        with CaptureQueriesContext(connection) as queries:
            _text(officer.get(PATH))
        counts.append(len(queries))
    assert counts[0] == counts[1] <= 16
