"""Parameters of deliveries: nested and flat are one, and whatever is sent is read or refused."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from config.core.egress import EgressRefused
from config.core.egress_calls import Egress
from config.core.egress_rules import Rules
from deliveries.domain.delivery import GiveUp, RetryPolicy, TryAgain, after_failure, after_loss
from deliveries.domain.delivery_targets import CliTarget, HttpTarget, WebhookTarget, read_target
from deliveries.domain.modes import Mode
from deliveries.errors import DeliveryInvalid

JSON = some.recursive(
    some.none() | some.booleans() | some.integers() | some.text(max_size=8),
    lambda inner: (
        some.lists(inner, max_size=3) | some.dictionaries(some.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=6,
)
NAMES = ["host", "port", "path", "scheme", "metadata", "template", "command", "endpoint", "event",
         "mode", "http", "cli", "s3", "webhook"]  # fmt: skip
PARAMS = some.dictionaries(some.sampled_from(NAMES), JSON, max_size=5)
HOST = some.sampled_from(["a.example", "127.0.0.1", "::1", "[::1]", "A.EXAMPLE."])
NOWHERE = Egress(Rules.parse([]))


@given(mode=some.sampled_from(list(Mode)), params=PARAMS)
def test_whatever_is_sent_is_read_or_refused_by_name(mode: Mode, params: dict[str, Any]) -> None:
    try:
        target = read_target(mode, params)
    except DeliveryInvalid as error:
        assert error.errors[0]["pointer"].startswith("/params/") and error.fix
        return
    if isinstance(target, HttpTarget):
        with pytest.raises(EgressRefused):
            NOWHERE.require_callable(target.url)


@given(
    host=HOST,
    port=some.integers(1, 65535),
    path=some.sampled_from(["/", "/a/b?c=d"]),
    nested=some.sets(some.sampled_from(["host", "port", "path"])),
)
def test_nested_flat_and_mixed_parameters_mean_the_same(
    host: str, port: int, path: str, nested: set[str]
) -> None:
    values = {"host": host, "port": port, "path": path}
    inner = {name: value for name, value in values.items() if name in nested}
    outer = {name: value for name, value in values.items() if name not in nested}
    assert read_target(Mode.HTTP, {**outer, "http": inner}) == read_target(Mode.HTTP, values)
    whole = {"mode": "http", "http": values, "cli": None}
    assert read_target(Mode.HTTP, whole) == read_target(Mode.HTTP, values)


def test_a_port_may_be_written_as_a_text() -> None:
    values = {"host": "a.example", "port": 5001}
    assert read_target(Mode.HTTP, {**values, "port": "5001"}) == read_target(Mode.HTTP, values)
    for port in ("", "-1", "80x", "0x50", "٨٠", "99999", "0", " 80", "8" * 5000):
        with pytest.raises(DeliveryInvalid, match="port"):
            read_target(Mode.HTTP, {**values, "port": port})


def test_the_text_of_a_caller_is_never_a_command() -> None:
    named = read_target(Mode.CLI, {"cli": {"template": "print"}})
    text = read_target(Mode.CLI, {"template": "print {prompt}"})
    assert named == CliTarget(command="print") == read_target(Mode.CLI, {"command": "print"})
    assert text == CliTarget(text="print {prompt}")
    assert read_target(Mode.CLI, {}) == CliTarget(command="default")
    for template in ("print; rm", "/bin/sh", "PRINT", "a b", "{other}"):
        with pytest.raises(DeliveryInvalid):
            read_target(Mode.CLI, {"template": template})


def test_an_endpoint_is_an_id() -> None:
    text = "6f2c0f0e-7a1b-4a3f-9d57-0d2a6a1f0b11"
    found = read_target(Mode.WEBHOOK, {"endpoint": text})
    assert isinstance(found, WebhookTarget) and str(found.endpoint) == text


def test_pauses_double_and_end() -> None:
    policy = RetryPolicy()
    found = [after_failure(policy, failures=n, is_final=False) for n in (1, 2, 3, 4)]
    assert found == [TryAgain(1.0, 3), TryAgain(2.0, 2), TryAgain(4.0, 1), GiveUp()]
    assert after_failure(policy, failures=1, is_final=True) == GiveUp()
    assert after_loss(policy, lost=4, failures=1) == TryAgain(0.0, 2)
    assert after_loss(policy, lost=5, failures=0) == GiveUp()
