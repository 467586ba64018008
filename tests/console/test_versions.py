"""The version page: verdict, findings, results, acts."""

import pytest

from tests.factories import console

pytestmark = pytest.mark.django_db(transaction=True)


def _page(client, version, **kwargs):
    return client.get(f"/console/versions/{version.uuid}/", **kwargs)


def test_a_fresh_version_asks_for_an_evaluation(world, as_user):
    version = console.version(world, name="v1")
    answer = _page(as_user(world.engineer), version)
    assert answer.status_code == 200
    assert "what is missing is an evaluation" in answer.content.decode()


def test_results_carry_certainty_and_size(world, as_user):
    version = console.version(world, name="v1")
    adults = console.evaluation_set(world, name="adults", size=120, level="adult")
    console.evaluate(world, version, adults, right=112)
    text = _page(as_user(world.engineer), version).content.decode()
    assert "112 of 120 right, at least 88 % (95 % sure)" in text
    assert "CLN-04" in text
    assert "can’t be signed" in text or "can&#x27;t be signed" in text
