"""One's own avatars in the console: texts and flags, trainings, backups, and nobody else's."""

import re

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test.utils import CaptureQueriesContext

from config.accounts.roles import Role
from registry.avatar_selectors import avatar_of, state_of
from registry.models import Avatar, AvatarBackup, TrainingFile, TrainingRun
from tests.factories import accounts, training
from tests.factories import registry as make

pytestmark = pytest.mark.django_db
PATH = "/console/avatars/"


@pytest.fixture
def owner():
    make.base_model()
    return accounts.engineer(username="anna")


@pytest.fixture
def client(as_user, owner):
    return as_user(owner)


@pytest.fixture
def page(client):
    """An avatar that was begun on the page; the path of its own page."""
    client.post(PATH, {"act": "begin", "name": "nina"})
    return f"{PATH}nina/"


def _text(answer, status=200):
    assert answer.status_code == status
    return " ".join(answer.content.decode().split())


def _upload(client, page, *names, **values):
    sent = [SimpleUploadedFile(name, b"Invented note\n") for name in names]
    posted = {"act": "upload", "files": sent, "use_for_training": "yes"} | values
    return client.post(page, posted, follow=True)


def test_an_empty_list_says_how_to_begin(client):
    text = _text(client.get(PATH))
    assert "You have no avatar yet." in text and "Begin one below" in text


def test_an_avatar_is_begun_once(client, owner):
    text = _text(client.post(PATH, {"act": "begin", "name": "nina"}, follow=True))
    assert "nina is there now" in text and "It has no texts to learn from yet." in text
    assert avatar_of(owner=owner, name="nina").adapter is not None
    again = client.post(PATH, {"act": "begin", "name": "nina"}, follow=True)
    assert "You have nina already" in _text(again)
    refused = client.post(PATH, {"act": "begin", "name": "no spaces here"})
    assert 'role="alert"' in _text(refused, 400)
    assert "not trained yet" in _text(client.get(PATH))


def test_texts_are_uploaded_chosen_left_out_and_deleted(client, page):
    text = _text(_upload(client, page, "a.txt", "b.csv"))
    assert "2 files are stored, sealed, and will be scanned." in text
    assert "2 texts, 2 chosen for training" in text and "not scanned yet" in text
    text = _text(client.post(page, {"act": "unflag", "file": "a.txt"}, follow=True))
    assert "2 texts, 1 chosen for training" in text and "left out" in text
    assert not TrainingFile.objects.get(name="a.txt").use_for_training
    assert "2 texts, 2 chosen" in _text(
        client.post(page, {"act": "flag", "file": "a.txt"}, follow=True)
    )
    text = _text(client.post(page, {"act": "delete-file", "file": "a.txt"}, follow=True))
    assert "nobody can open that text any more" in text and "1 text, 1 chosen" in text
    _upload(client, page, "c.txt", use_for_training="")
    assert not TrainingFile.objects.get(name="c.txt").use_for_training
    assert TrainingFile.objects.count() == 2


@pytest.mark.parametrize(
    ("posted", "status"),
    [
        ({"act": "upload"}, 400),
        ({"act": "flag", "file": "none.txt"}, 404),
        ({"act": "train"}, 422),
        ({"act": "restore", "backup": "x"}, 400),
        ({"act": "restore", "backup": "00000000-0000-4000-8000-000000000000"}, 404),
    ],
)
def test_what_can_not_be_done_is_said_on_the_page(client, page, posted, status):
    assert 'role="alert"' in _text(client.post(page, posted), status)


def test_it_is_trained_with_what_suits_its_data(as_user):
    avatar = training.avatar()
    client, page = as_user(avatar.owner), f"{PATH}{avatar.name}/"
    text = _text(client.get(page))
    assert "For so much text: 5 epochs, learning rate 0.0001, batches of 2" in text
    done = client.post(page, {"act": "train"})
    run = TrainingRun.objects.get()
    assert done.status_code == 302 and done["Location"] == f"/console/training/{run.uuid}/"
    assert (run.parameters["num_epochs"], run.parameters["batch_size"]) == (5, 2)
    text = _text(client.get(page))
    assert "It is being trained" in text and "A training is under way." in text
    assert "being trained" in _text(client.get(PATH))


def test_backups_are_made_and_restored(client, owner, page):
    assert "A backup was made." in _text(client.post(page, {"act": "back-up"}, follow=True))
    avatar = avatar_of(owner=owner, name="nina")
    made = make.version(of=avatar.adapter, user=owner, version_name="v1")
    client.post(page, {"act": "back-up"})
    make.version(of=avatar.adapter, user=owner, version_name="v2", files=make.package(seed=9))
    text = _text(client.get(page))
    assert "it answers as v2 of its adapter" in text and "A backup goes after 365 days" in text
    backup = AvatarBackup.objects.get(version=made)
    restored = client.post(page, {"act": "restore", "backup": str(backup.uuid)}, follow=True)
    assert "It is v1 again." in _text(restored)
    assert state_of(avatar_of(owner=owner, name="nina")).version == made
    path = re.search(r'href="(/avatar/adapters/[^"]+)"', _text(client.get(page))).group(1)
    answer = client.get(path)
    assert answer.status_code == 200 and answer["Content-Type"] == "application/zip"


def test_nobody_sees_anothers(as_user, page):
    other = as_user(accounts.engineer())
    assert "nina" not in _text(other.get(PATH))
    assert "no such avatar" in _text(other.get(page), 404)
    assert _upload(other, page, "a.txt").status_code == 404
    reviewer = as_user(accounts.user(Role.REVIEWER))
    assert "needs the role ML engineer" in _text(reviewer.get(PATH), 403)
    assert PATH not in _text(reviewer.get("/console/adapters/"))


def test_lists_say_what_the_page_of_each_says_and_ask_a_fixed_number_of_times(client, owner, page):
    counts = []
    for number in range(2):
        for name in ("a", "b", "c"):
            client.post(PATH, {"act": "begin", "name": f"{name}{number}"})
        _upload(client, f"{PATH}a{number}/", *(f"{n}{number}.txt" for n in range(5)))
        with CaptureQueriesContext(connection) as queries:
            _text(client.get(PATH))
        with CaptureQueriesContext(connection) as of_one:
            _text(client.get(f"{PATH}a{number}/"))
        counts.append((len(queries), len(of_one)))
    assert counts[0] == counts[1]
    assert max(counts[0]) <= 20
    failed = Avatar.objects.get(name="a0")
    TrainingRun.objects.create(
        adapter=failed.adapter,
        base_model=failed.adapter.base_model,
        seed=1,
        parameters={},
        state="failed",
        requested_by=owner,
    )
    assert "its training failed" in _text(client.get(PATH))
    assert "Its last training failed." in _text(client.get(f"{PATH}a0/"))
