"""The page's own code runs and does what the page says; its rules are the code's."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import serving.sagemaker as public
from serving.sagemaker import DEFAULT_REGISTRY, HTTPException, Request
from serving.sagemaker.django_views import run_to_end

from .conftest import JSON, Serve

PAGE = Path(__file__).resolve().parents[3] / "docs" / "contracts" / "sagemaker.md"
IDENTIFIER = "X-Amzn-SageMaker-Adapter-Identifier"
ALIAS = "X-Amzn-SageMaker-Adapter-Alias"
GOOD = {"name": "cardio", "src": "s3://models/cardio"}


@pytest.fixture(autouse=True)
def common_registry() -> Iterator[None]:
    """The page's code uses the common registry; nothing of it stays."""
    with DEFAULT_REGISTRY.emptied():
        yield


def section(title: str) -> str:
    parts = PAGE.read_text().split(f"\n## {title}\n")
    assert len(parts) == 2, f"the page has no section {title!r}"
    return parts[1].split("\n## ")[0]


def run(title: str) -> dict[str, Any]:
    """What the only block of code in a section defines."""
    (code,) = re.findall(r"```python\n(.*?)```", section(title), re.S)
    defined: dict[str, Any] = {"__name__": "page"}
    exec(compile(code, f"{PAGE.name}: {title}", "exec"), defined)
    return defined


def test_the_engine_server_of_the_page_serves_S66(serve: Serve) -> None:
    client = serve(run("An engine server in twenty lines")["urlpatterns"])
    assert client.get("/ping").status_code == 200
    assert client.post("/adapters", GOOD, JSON).content == b"Adapter cardio registered"
    # The second call of the page's examples: the fields in the query.
    query = client.post("/adapters?name=neuro&src=s3://models/neuro")
    assert query.content == b"Adapter neuro registered"
    prompt = {"prompt": "…"}
    answer = client.post("/invocations", prompt, JSON, headers={IDENTIFIER: "cardio"})
    assert answer.json() == {"model": "cardio", "weights": "s3://models/cardio"}
    named = {IDENTIFIER: "gone", ALIAS: "Gone"}
    for headers, said in (({}, "None"), ({IDENTIFIER: "gone"}, "gone"), (named, "Gone")):
        answer = client.post("/invocations", prompt, JSON, headers=headers)
        assert answer.status_code == 404
        assert answer.json() == {"detail": f"The adapter {said} was not found"}
    assert client.delete("/adapters/cardio").content == b"Adapter cardio unregistered"
    assert client.delete("/adapters/cardio").status_code == 404


def test_the_shapes_of_the_page_map_both_ways(serve: Serve) -> None:
    client = serve(run("Shapes")["urlpatterns"])
    answer = client.post("/adapters", {**GOOD, "pin": True}, JSON, headers={"X-Tenant": "n"})
    assert answer.json() == {
        "adapter_name": "cardio",
        "status": "pinned",
        "metadata": {"rank": 8, "alpha": 16},
    }


def test_the_injection_of_the_page_writes_both_targets(serve: Serve) -> None:
    client = serve(run("The identifier in the body")["urlpatterns"])
    headers = {IDENTIFIER: "cardio", ALIAS: "Nice"}
    answer = client.post("/invocations", {"model": "base", "metadata": {}}, JSON, headers=headers)
    assert answer.json() == {"model": "base:cardio", "metadata": {"alias": "Nice"}}


def test_the_mounting_of_the_page_takes_a_subset(serve: Serve) -> None:
    client = serve(run("Mounting")["urlpatterns"])
    assert client.post("/engine/adapters", GOOD, JSON).content == b"Adapter cardio registered"
    assert client.delete("/engine/adapters/cardio").status_code == 404


def test_an_operation_is_added_as_the_page_says_S28(serve: Serve) -> None:
    defined = run("An operation of your own")
    assert defined["__all__"] == ["register_update_adapter_handler"]
    client = serve(defined["urlpatterns"])
    body = {"src": "s3://new"}
    answer = client.post("/adapters/cardio/update", body, JSON)
    assert (answer.status_code, answer.content) == (200, b"Adapter cardio updated")
    answer = client.post("/adapters/cardio/update", body, JSON, headers={ALIAS: "Nice"})
    assert answer.content == b"Adapter Nice updated"
    busy = client.post("/adapters/cardio/update", {"src": "s3://busy"}, JSON)
    assert (busy.status_code, busy.json(), busy["Retry-After"]) == (
        503,
        {"detail": "Try again"},
        "1",
    )
    with pytest.raises(ValueError, match="request_shape must contain 'source'"):
        defined["register_update_adapter_handler"]({"other": "body.src"})


SNIPPETS = [
    ("inject_adapter_id()", "adapter_path cannot be empty: …"),
    ("inject_adapter_id(5)", "adapter_path must be a string: …"),
    ("inject_adapter_id('model', append=True)", "separator …"),
    ("inject_adapter_id('model', separator=':')", "separator …"),
    ("inject_adapter_id({})", "request_shape must contain exactly one field: …"),
    ("register_load_adapter_handler('x')", "request_shape must be a dictionary …"),
    ("register_load_adapter_handler({'key': 'body.['})", "Invalid JMESPath in '{key}': …"),
    ("register_load_adapter_handler({'key': 'nope(body)'})", "Invalid JMESPath in '{key}': …"),
    ("register_load_adapter_handler({'key': 'length()'})", "Invalid JMESPath in '{key}': …"),
    (
        "create_transform_decorator('inject_adapter_id')({'key': 5})",
        "request_shape['{key}'] must be …",
    ),
    (
        "register_load_adapter_handler({'a': 'body.name'})(handler)",
        "{name} must take (data, raw_request) …",
    ),
    ("create_transform_decorator('…')", "Unsupported LoRAHandlerType: …"),
    ("validate_shape({}, required=['field'])", "request_shape must contain '{field}': …"),
    (
        "validate_shape({'field': 1}, nested=['field'])",
        "request_shape['{field}'] must be a dictionary",
    ),
]


def handler(request: Request) -> None:
    """A handler of one argument."""


@pytest.mark.parametrize(("code", "documented"), SNIPPETS)
def test_every_rule_of_the_page_holds_and_every_rule_is_on_it_S37(
    code: str, documented: str
) -> None:
    early = section("What is refused early")
    assert documented in " ".join(early.split())
    filled = documented.format(key="key", field="field", name="handler")
    said = ".*".join(re.escape(part) for part in filled.split("…"))
    names = {name: getattr(public, name) for name in public.__all__}
    with pytest.raises(ValueError, match=f"^{said}"):
        eval(code, names | {"handler": handler})
    # No row of the table is without its snippet.
    cells = re.findall(r"\| ([^|]+) \|$", early, re.M)
    told = {text for cell in cells for text in re.findall(r"`([^`]+)`", cell)}
    assert told == {rule for _, rule in SNIPPETS[:12]}


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({}, "name"),
        ({"name": 5}, "name"),
        ({"name": ""}, "name"),
        ({"name": "x" * 64}, "name"),
        ({"name": "a/b"}, "name"),
        ({"name": "00000000-0000-4000-8000-000000000000"}, "name"),
        ({"name": "a", "src": None}, "src"),
        ({"name": "a", "src": " "}, "src"),
        ({"name": "a", "src": "a\n"}, "src"),
        ({"name": "a", "src": "s", "preload": "x"}, "preload"),
        ({"name": "a", "src": "s", "pin": None}, "pin"),
    ],
)
def test_every_rule_for_a_request_holds_S37(fields: dict[str, Any], field: str) -> None:
    defined = run("An engine server in twenty lines")
    with pytest.raises(HTTPException) as caught:
        run_to_end(defined["load"](Request(body=json.dumps(fields).encode())))
    assert caught.value.status_code == 400
    assert [field] in [fault["loc"] for fault in json.loads(caught.value.detail)]
