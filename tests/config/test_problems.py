"""Errors are problem documents, and each names a page that exists."""

import pytest
from django.test import Client


def test_an_unknown_path_is_a_problem_document_not_a_page_of_traces(client: Client) -> None:
    answer = client.get("/nothing/here", headers={"accept": "application/json"})
    assert answer.status_code == 404
    assert answer["Content-Type"] == "application/problem+json"
    body = answer.json()
    assert body["code"] == "not-found"
    assert body["request_id"] == answer["X-Request-Id"]
    page = client.get(body["type"])
    assert page.status_code == 200
    assert b"# Not found" in page.content


def test_the_page_of_an_unknown_problem_is_not_found(client: Client) -> None:
    assert client.get("/docs/problems/no-such-code").status_code == 404


@pytest.mark.parametrize("given", ["short", "x" * 65, "with space inside"])
def test_a_malformed_request_id_is_replaced(client: Client, given: str) -> None:
    answer = client.get("/docs/problems/invalid", headers={"x-request-id": given})
    assert answer["X-Request-Id"] != given
