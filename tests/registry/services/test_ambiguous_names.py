"""Names that an address could be mistaken for: refused when an adapter is opened or renamed."""

from typing import Any

import pytest

from config.accounts.models import User
from config.accounts.selectors import actor_of
from registry.domain.refs import RESERVED_NAMESPACES, looks_like_uuid
from registry.errors import AdapterInvalid
from registry.models import Adapter, BaseModel
from registry.services import adapters
from tests.factories import accounts
from tests.factories import registry as make

UUID = "0d9f3c1e-7d1c-4b7e-9d53-0f6f1d9b7a11"
WORDS = {
    "adapters", "artifact", "artifacts", "training-data", "compose", "deliveries", "health",
    "ping", "invocations", "persistence", "api", "v1", "admin", "ui", "static", "media",
    "metrics", "docs", "login", "logout", "console", "sagemaker", "manager", "lambda", "avatar",
    ".well-known",
}  # fmt: skip


@pytest.fixture
def base(db: None) -> BaseModel:
    return make.base_model()


def _open(base: BaseModel, owner: User, **values: Any) -> Adapter:
    known = {"slug": "triage", "name": "Triage", "base_model": base, "owner": owner}
    return adapters.create(**{**known, **values}, actor=actor_of(owner))


def test_every_word_that_an_address_begins_with_is_reserved() -> None:
    assert WORDS <= RESERVED_NAMESPACES


def test_no_namespace_hides_an_address(base: BaseModel) -> None:
    owner = accounts.engineer()
    for word in sorted(RESERVED_NAMESPACES):
        with pytest.raises(AdapterInvalid):
            _open(base, owner, namespace=word)
    assert _open(base, owner, namespace="adapters-of-ward-3").ref == "adapters-of-ward-3:triage"


@pytest.mark.parametrize("field", ["slug", "namespace", "name"])
def test_no_name_looks_like_an_id(base: BaseModel, field: str) -> None:
    owner = accounts.engineer()
    for text in (UUID, UUID.replace("-", "")):
        with pytest.raises(AdapterInvalid, match="looks like a uuid"):
            _open(base, owner, **{field: text})
    with pytest.raises(AdapterInvalid, match="looks like a uuid"):
        _open(base, owner, name=UUID.upper())


def test_nor_is_one_renamed_to_it(base: BaseModel) -> None:
    owner = accounts.engineer()
    made = _open(base, owner)
    with pytest.raises(AdapterInvalid):
        adapters.change(adapter=made, values={"name": UUID}, actor=actor_of(owner))


def test_what_only_resembles_a_uuid_may_be_a_name() -> None:
    assert not looks_like_uuid("triage")
    assert not looks_like_uuid(UUID[:-1])
    assert not looks_like_uuid("g" * 32)
