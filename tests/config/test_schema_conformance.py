"""Every operation of the API reference, asked with what the reference allows and what it does not.

Schemathesis makes the requests; the answers must have a status that the reference names, the
documented content type and shape, and never be an error of the server.
"""

import copy
from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from django.core.signals import request_finished, request_started
from django.core.wsgi import get_wsgi_application
from django.db import close_old_connections, transaction
from hypothesis import HealthCheck, settings
from schemathesis.checks import not_a_server_error
from schemathesis.generation.feedback import FeedbackSources
from schemathesis.pytest._test_builder import build_operation_test
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from config.accounts.api.idempotency import HEADER
from config.accounts.roles import Role
from tests.factories import accounts
from tests.factories.reference import operations, reference

EXAMPLES = 4
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]


@schemathesis.serializer("application/offset+octet-stream")
def as_bytes(context: Any, value: Any) -> bytes:
    """A chunk of an upload."""
    return value if isinstance(value, bytes) else str(value).encode()


@pytest.fixture(scope="module")
def schema() -> Any:
    made = schemathesis.openapi.from_dict(copy.deepcopy(reference()))
    made.app = get_wsgi_application()
    # The token is ours: made-up ones would only ever be told 401.
    made.config.generation.update(with_security_parameters=False)
    return made


@pytest.fixture(scope="module")
def issued(django_db_setup: None, django_db_blocker: Any) -> Iterator[str]:
    """A token of an account that may do whatever a token can, in a transaction around all tests."""
    with django_db_blocker.unblock(), transaction.atomic():
        everybody = accounts.user(*[role for role in Role if role is not Role.NODE_AGENT])
        yield accounts.token_text(everybody)
        transaction.set_rollback(True)


@pytest.fixture
def token(issued: str, db: None) -> Iterator[str]:
    """Of that account; requests stay in the test's transaction."""
    for signal in (request_started, request_finished):
        signal.disconnect(close_old_connections)
    yield issued
    for signal in (request_started, request_finished):
        signal.connect(close_old_connections)


@pytest.mark.parametrize("label", operations())
def test_answers_are_as_documented(label: str, schema: Any, token: str) -> None:
    headers = {"Authorization": f"Bearer {token}"}
    keys_used: set[str] = set()

    @settings(
        max_examples=EXAMPLES,
        derandomize=True,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    def check(case: Any) -> None:
        # A second request with a key would be told about the key, whatever else it says.
        key = (case.headers or {}).get(HEADER)
        if key in keys_used:
            del case.headers[HEADER]
        elif key is not None:
            keys_used.add(key)
        case.validate_response(case.call(headers=headers), checks=CHECKS)

    # Requests are made up here, not when tests are collected: by that worker alone which asks.
    operation = schema.find_operation_by_label(label)
    build_operation_test(
        config=schema.config,
        operation=operation,
        test_func=check,
        given_kwargs={},
        feedback=FeedbackSources(),
    )()
