"""What each signature says, word for word; a changed wording gets a new version."""

from collections.abc import Mapping
from dataclasses import dataclass

VERSION = "1"


@dataclass(frozen=True)
class Statement:
    """``name`` for headings and manifestations, ``text`` as it is signed."""

    name: str
    text: str


STATEMENTS: Mapping[str, Statement] = {
    "reviewed_technical": Statement(
        "Reviewed – technical",
        "I have reviewed this record and the technical checks and evaluations that it names, and "
        "I found the version fit for the use that its label states.",
    ),
    "reviewed_clinical": Statement(
        "Reviewed – clinical safety",
        "I have reviewed this record, its label and its results by population, and I found the "
        "version clinically safe within the limits that its label states.",
    ),
    "reviewed_privacy": Statement(
        "Reviewed – privacy",
        "I have reviewed this record and what it says about protected health information, and I "
        "found no reason against serving the version as its label states.",
    ),
    "approved": Statement(
        "Approved for deployment",
        "I have reviewed this record and the signatures under it, and I approve the version for "
        "deployment within the use that its label states.",
    ),
}
