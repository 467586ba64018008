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
from django.db import close_old_connections
from hypothesis import HealthCheck, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from config.accounts.roles import Role
from tests.factories import accounts
from tests.factories.reference import reference

EXAMPLES = 4
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]
schema = schemathesis.openapi.from_dict(copy.deepcopy(reference()))
schema.app = get_wsgi_application()
# The token is ours: made-up ones would only ever be told 401.
schema.config.generation.update(with_security_parameters=False)


@schemathesis.serializer("application/offset+octet-stream")
def as_bytes(context: Any, value: Any) -> bytes:
    """A chunk of an upload."""
    return value if isinstance(value, bytes) else str(value).encode()


@pytest.fixture
def token(db: None) -> Iterator[str]:
    """Of an account that may do whatever a token can; requests stay in the test's transaction."""
    for signal in (request_started, request_finished):
        signal.disconnect(close_old_connections)
    everybody = accounts.user(*[role for role in Role if role is not Role.NODE_AGENT])
    yield accounts.token_text(everybody)
    for signal in (request_started, request_finished):
        signal.connect(close_old_connections)


@schema.parametrize()
@settings(
    max_examples=EXAMPLES,
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
def test_answers_are_as_documented(case: Any, token: str) -> None:
    headers = {"Authorization": f"Bearer {token}"}
    answer = case.call(headers=headers)
    case.validate_response(answer, checks=CHECKS)
