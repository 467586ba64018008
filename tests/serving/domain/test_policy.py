"""A deployment's policy: defaults, and clear words for each key that is wrong."""

import pytest

from serving.domain.policy import DeploymentPolicy, PolicyInvalid


def test_what_is_left_out_gets_its_default_and_survives_the_round_trip() -> None:
    policy = DeploymentPolicy.from_json({"stages": [10, 40], "alpha": 0.02})
    assert policy.stages == (10, 40)
    assert policy.signal_alpha == 0.01
    assert policy.max_requests == 5000
    assert DeploymentPolicy.from_json(policy.as_json()) == policy


@pytest.mark.parametrize(
    ("value", "key"),
    [
        ({"stages": []}, "stages"),
        ({"stages": [50, 20]}, "stages"),
        ({"stages": [100]}, "stages"),
        ({"stages": "20"}, "stages"),
        ({"alpha": 0}, "alpha"),
        ({"alpha": True}, "alpha"),
        ({"failure_rule": "guess"}, "failure_rule"),
        ({"max_requests": 0}, "max_requests"),
        ({"fallbacks": ["base"]}, "fallbacks"),
        ({"margin": 2}, "margin"),
        ({"when_control_is_away": "hope"}, "when_control_is_away"),
    ],
)
def test_a_wrong_key_is_named(value: dict[str, object], key: str) -> None:
    with pytest.raises(PolicyInvalid) as caught:
        DeploymentPolicy.from_json(value)
    assert [error["key"] for error in caught.value.errors] == [key]
