"""Settings come from the environment: each is listed, with its default and its meaning."""

import dataclasses
import json

import pytest

from serving.domain.policy import DeploymentPolicy
from tests.architecture import environment

EXAMPLE = {setting.key: setting for setting in environment.example()}
COMPOSE = (environment.ROOT / "docker-compose.yml").read_text()


def test_every_key_that_the_code_reads_is_in_the_example() -> None:
    read = environment.keys_read()
    assert len(read) > 20
    missing = {key: where for key, where in read.items() if key not in EXAMPLE}
    assert not missing


def test_every_key_of_the_example_is_read() -> None:
    read = environment.keys_read()
    unread = [
        key
        for key in EXAMPLE
        if key not in read
        and key.removesuffix("_FILE") not in read
        and not key.startswith("AWS_")  # read by boto3
        and f"${{{key}:" not in COMPOSE
    ]
    assert not unread


@pytest.mark.parametrize("key", EXAMPLE)
def test_every_key_of_the_example_says_what_it_means(key: str) -> None:
    setting = EXAMPLE[key]
    assert len(setting.meaning.split()) >= 3 or not setting.has_default


def test_defaults_of_the_example_are_those_of_the_code() -> None:
    found = environment.defaults_in_code()
    assert {key: EXAMPLE[key].default for key in found} == found


def test_the_page_of_the_configuration_is_current() -> None:
    current = environment.PAGE.read_text()
    assert environment.written() == current, "run python -m tests.architecture.environment"


def test_the_page_tells_the_defaults_of_a_deployments_policy() -> None:
    page = environment.PAGE.read_text()
    policy = DeploymentPolicy().as_json()
    for field in dataclasses.fields(DeploymentPolicy):
        assert f"| `{field.name}` | `{_plain(policy[field.name])}` |" in page


def _plain(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)
