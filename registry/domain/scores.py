"""Scores of a model, each from 0 to 1 and computed from facts; what has no facts has no score."""

from collections.abc import Sequence

# What a score of licences may rest on: SPDX names, in lower case.
OPEN_LICENCES = frozenset(
    {"apache-2.0", "mit", "bsd-2-clause", "bsd-3-clause", "isc", "unlicense", "cc0-1.0", "zlib"}
    | {"lgpl-2.1", "lgpl-2.1-only", "lgpl-3.0", "mpl-2.0", "cc-by-4.0", "openrail"}
)
RESTRICTED_LICENCES = frozenset(
    {"cc-by-nc-4.0", "cc-by-nc-sa-4.0", "cc-by-nc-nd-4.0", "proprietary", "llama2", "gemma"}
)
# Memory of machines that models are put on, small to large.
MACHINE_BYTES: Sequence[int] = (1 << 30, 8 << 30, 32 << 30, 80 << 30)
README = "readme.md"


def licence(name: str) -> float | None:
    """1 for an open licence, 0 for a restricted one; None for one that we don't know."""
    known = name.strip().lower()
    if known in OPEN_LICENCES:
        return 1.0
    return 0.0 if known in RESTRICTED_LICENCES else None


def size(size_bytes: int) -> float:
    """The share of usual machines (1, 8, 32, 80 GiB) into whose memory the file fits."""
    return sum(size_bytes <= machine for machine in MACHINE_BYTES) / len(MACHINE_BYTES)


def availability(is_stored: Sequence[bool]) -> float:
    """The share of model, code and dataset whose bytes the store has at this moment."""
    return round(sum(is_stored) / 3, 3)


def reproducibility(*, has_code: bool, has_dataset: bool, has_parameters: bool) -> float:
    """The share of what a rerun needs: the training code, its data, and the adapter's parameters.

    The exact base is known by its digest for every version of a registered adapter.
    """
    return round((1 + has_code + has_dataset + has_parameters) / 4, 3)


def ramp_up(*, paths: Sequence[str], has_description: bool, has_label: bool) -> float:
    """The share of what a newcomer reads: a README in the package, a description, a label."""
    has_readme = any(path.lower().rsplit("/", 1)[-1] == README for path in paths)
    return round((has_readme + has_description + has_label) / 3, 3)


def bus_factor(submitters: int) -> float:
    """How many people have submitted versions of the adapter, counted up to three."""
    return round(min(submitters, 3) / 3, 3)
