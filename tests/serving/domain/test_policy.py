"""A deployment's policy: defaults, and clear words for each key that is wrong."""

import pytest

from serving.domain.policy import DeploymentPolicy, PolicyInvalid, report_limit


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
        ({"fallbacks": ["previous", "previous"]}, "fallbacks"),
        ({"watch_minutes": 0}, "watch_minutes"),
        ({"watch_minutes": float("nan")}, "watch_minutes"),
        ({"max_report_rate": 1}, "max_report_rate"),
        ({"promote_undecided": "yes"}, "promote_undecided"),
    ],
)
def test_a_wrong_key_is_named(value: dict[str, object], key: str) -> None:
    with pytest.raises(PolicyInvalid) as caught:
        DeploymentPolicy.from_json(value)
    assert [error["key"] for error in caught.value.errors] == [key]


def test_what_is_no_object_is_refused() -> None:
    with pytest.raises(PolicyInvalid, match="object of keys"):
        DeploymentPolicy.from_json([["alpha", 0.05]])  # type: ignore[arg-type]


def test_unknown_keys_are_told_with_a_bound() -> None:
    with pytest.raises(PolicyInvalid) as caught:
        DeploymentPolicy.from_json({f"{number:04d}" * 100: 1 for number in range(500)})
    assert len(caught.value.errors) == 20
    assert max(len(error["key"]) for error in caught.value.errors) == 60


def test_the_report_limit_follows_stable_unless_it_is_set() -> None:
    assert report_limit(DeploymentPolicy(), stable_rate=0.1) == pytest.approx(0.2)
    assert report_limit(DeploymentPolicy(), stable_rate=0.0) == 0.05
    assert report_limit(DeploymentPolicy(), stable_rate=0.8) == 0.9
    assert report_limit(DeploymentPolicy(max_report_rate=0.3), stable_rate=0.1) == 0.3
