"""Who a request is about, and the words of the contract."""

import pytest

from serving.sagemaker import (
    BaseLoRATransformRequestOutput,
    Request,
    ResponseMessage,
    SageMakerLoRAApiHeader,
    get_adapter_alias_from_request_header,
    get_adapter_name_from_request,
    get_adapter_name_from_request_header,
    get_adapter_name_from_request_path,
    set_value,
)

IDENTIFIER = "X-Amzn-SageMaker-Adapter-Identifier"
ALIAS = "X-Amzn-SageMaker-Adapter-Alias"


@pytest.mark.parametrize(
    ("in_path", "found", "in_header", "expected"),
    [
        ("p", "t", "h", "p"),
        ("", "t", "h", "t"),
        (None, "t", "h", "t"),
        (None, None, "h", "h"),
        (None, "", "h", "h"),
        (None, None, "", None),
        (None, None, None, None),
    ],
)
def test_the_name_comes_from_path_then_body_then_header_S52(
    in_path: str | None, found: str | None, in_header: str | None, expected: str | None
) -> None:
    request = Request(
        headers={ALIAS: "Nice"} | ({} if in_header is None else {IDENTIFIER: in_header}),
        path_params={} if in_path is None else {"adapter_name": in_path},
    )
    output = BaseLoRATransformRequestOutput(None, request, found)
    assert get_adapter_name_from_request(output) == expected


def test_the_alias_comes_from_its_header_S53() -> None:
    assert get_adapter_alias_from_request_header(Request(headers={ALIAS.lower(): "N"})) == "N"
    assert get_adapter_alias_from_request_header(Request(headers={ALIAS: ""})) is None
    assert get_adapter_alias_from_request_header(Request(headers={IDENTIFIER: "x"})) is None
    latin = Request(headers={ALIAS: "Größe"})
    assert get_adapter_alias_from_request_header(latin) == "Größe"
    # Servers hand on UTF-8 as Latin-1.
    utf8 = Request(headers={ALIAS: "Größe".encode().decode("latin-1")})
    assert get_adapter_alias_from_request_header(utf8) == "Größe"


def test_the_name_in_the_path_is_the_parameter_adapter_name_S54() -> None:
    assert get_adapter_name_from_request_path(Request(path_params={"adapter_name": "a"})) == "a"
    assert get_adapter_name_from_request_path(Request(path_params={"name": "a"})) is None
    assert get_adapter_name_from_request_path(Request(path_params={"adapter_name": ""})) is None


def test_the_name_in_the_header_is_the_identifier() -> None:
    assert get_adapter_name_from_request_header(Request(headers={IDENTIFIER: "a"})) == "a"
    assert get_adapter_name_from_request_header(Request(headers={ALIAS: "a"})) is None


def test_the_words_are_the_contracts() -> None:
    assert list(SageMakerLoRAApiHeader) == [IDENTIFIER, ALIAS]
    assert {item.name: str(item) for item in ResponseMessage} == {
        "ADAPTER_REGISTERED": "Adapter {alias} registered",
        "ADAPTER_UNREGISTERED": "Adapter {alias} unregistered",
        "ADAPTER_UPDATED": "Adapter {alias} updated",
        "ADAPTER_NOT_FOUND": "The adapter {alias} was not found",
        "ADAPTER_INVALID_WEIGHTS": "doesn't contain tensors",
        "ADAPTER_MAX_LORA_RANK": "greater than max_lora_rank",
    }


def test_values_are_set_by_dotted_path_and_parents_only_when_asked() -> None:
    obj: dict[str, object] = {"a": {"b": 1}, "t": "text"}
    set_value(obj, "a.b", 2)
    set_value(obj, "n.m", 3, create_parent=True)
    set_value(obj, "n.x.y", 4, create_parent=True, max_create_depth=3)
    assert obj == {"a": {"b": 2}, "t": "text", "n": {"m": 3, "x": {"y": 4}}}
    for path in ("x.y", "t.y"):
        with pytest.raises(KeyError):
            set_value(obj, path, 1)
    with pytest.raises(KeyError):
        set_value(obj, "t.y", 1, create_parent=True)
    with pytest.raises(ValueError, match="deeper"):
        set_value(obj, "x.y.z", 1, create_parent=True)
    assert obj == {"a": {"b": 2}, "t": "text", "n": {"m": 3, "x": {"y": 4}}}
