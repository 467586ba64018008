"""Who must sign, and who can't."""

import pytest

from compliance.domain.separation import Account, Authors, refusal, requirements

AUTHOR = Account(username="ada", person="p1", name="Ada")
REVIEWER = Account(username="ben", person="p2", name="Ben")


def _refusal(signer: Account, **changed: object) -> str:
    values = {
        "signer": signer,
        "signer_roles": frozenset({"reviewer", "compliance_officer"}),
        "required": requirements(safety_class="A", touches_phi=False),
        "signed_by": [],
        "meaning": "reviewed_technical",
        "authors": Authors(accounts=(AUTHOR,), deeds={"ada": "uploaded this version"}),
    }
    return refusal(**{**values, **changed})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "safety_class, touches_phi, meanings",
    [
        ("A", False, ["reviewed_technical", "approved"]),
        ("A", True, ["reviewed_technical", "reviewed_privacy", "approved"]),
        ("B", False, ["reviewed_technical", "reviewed_clinical", "reviewed_privacy", "approved"]),
        (
            "C",
            False,
            [
                "reviewed_technical",
                "reviewed_clinical",
                "reviewed_privacy",
                "approved",
                "approved",
            ],
        ),
    ],
)
def test_each_class_asks_for_its_signatures(
    safety_class: str, touches_phi: bool, meanings: list[str]
) -> None:
    found = requirements(safety_class=safety_class, touches_phi=touches_phi)
    assert [due.meaning for due in found] == meanings
    if safety_class == "C":
        assert [due.roles for due in found[-2:]] == [
            ("clinical_reviewer",),
            ("compliance_officer",),
        ]


def test_an_unknown_class_is_asked_for_everything() -> None:
    assert requirements(safety_class="?", touches_phi=False) == requirements(
        safety_class="C", touches_phi=False
    )


def test_a_reviewer_who_is_no_author_may_sign() -> None:
    assert _refusal(REVIEWER) == ""


def test_an_author_may_not_sign_by_any_account() -> None:
    assert "uploaded this version" in _refusal(AUTHOR)
    second = Account(username="ada-2", person="p1", name="Ada")
    assert "can't sign it" in _refusal(second)


def test_a_person_signs_once_by_whatever_account() -> None:
    second = Account(username="ben-2", person="p2", name="Ben")
    assert "already" in _refusal(second, meaning="approved", signed_by=["p2"])


def test_the_order_is_kept() -> None:
    assert "next signature is reviewed_technical" in _refusal(REVIEWER, meaning="approved")


def test_a_role_is_needed_at_this_moment() -> None:
    assert "needs the role reviewer" in _refusal(REVIEWER, signer_roles=frozenset({"operator"}))


def test_nobody_can_be_told_apart_from_an_unknown_author() -> None:
    nobody = Authors(accounts=(Account(username="bot", person="", name="bot"),))
    assert "told apart" in _refusal(REVIEWER, authors=nobody)


def test_an_account_of_nobody_can_not_sign() -> None:
    assert "no person" in _refusal(Account(username="x", person="", name="x"))


def test_after_the_last_signature_there_is_none() -> None:
    assert "All signatures" in _refusal(REVIEWER, signed_by=["p7", "p8"])
