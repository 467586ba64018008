"""The console's records show everything and change nothing."""

import pytest
from django.test import Client

import config.urls  # noqa: F401 - where the console takes the rooms' records
from config.accounts.models import ApiToken
from config.accounts.roles import Role
from config.core.admin import RECORDS
from tests.factories import accounts
from tests.factories import registry as make

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(("model", "admin"), RECORDS, ids=lambda value: value.__name__)
def test_a_record_is_read_only(client: Client, model: type, admin: type) -> None:
    user = accounts.user(Role.ML_ENGINEER, Role.COMPLIANCE_OFFICER)
    text = accounts.token_text(user)
    make.version(of=make.adapter(owner=user))
    client.force_login(user)
    name = f"{model._meta.app_label}/{model._meta.model_name}"  # type: ignore[attr-defined]
    listing = client.get(f"/console/{name}/")
    assert listing.status_code == 200
    assert client.get(f"/console/{name}/add/").status_code == 403
    row = model._default_manager.first()  # type: ignore[attr-defined]
    if row is None:
        return
    page = client.get(f"/console/{name}/{row.pk}/change/")
    assert page.status_code == 200
    assert client.post(f"/console/{name}/{row.pk}/change/", {"state": "x"}).status_code == 403
    assert client.post(f"/console/{name}/{row.pk}/delete/", {"post": "yes"}).status_code == 403
    secrets = [text, user.password, ApiToken.objects.get(user=user).token_sha256]
    for shown in (listing.content.decode(), page.content.decode()):
        assert not [secret for secret in secrets if secret in shown]
