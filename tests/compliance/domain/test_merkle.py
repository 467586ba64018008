"""Tree heads against the definition of RFC 6962."""

import hashlib

import pytest

from compliance.domain.audit_chain import leaf_hash
from compliance.domain.merkle import Frontier, node_hash


def _definition(leaves: list[bytes]) -> bytes:
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    return node_hash(_definition(leaves[:split]), _definition(leaves[split:]))


def test_the_root_is_that_of_the_definition_at_every_size() -> None:
    leaves = [leaf_hash(bytes([index])) for index in range(130)]
    frontier = Frontier()
    assert frontier.root() == _definition([])
    for index, leaf in enumerate(leaves, start=1):
        frontier.append(leaf)
        assert frontier.root() == _definition(leaves[:index]), index


def test_known_roots_of_the_reference_tests() -> None:
    """The eight leaves with which certificate transparency's own code is tested."""
    inputs = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657"]
    inputs.append("606162636465666768696a6b6c6d6e6f")
    roots = {
        1: "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        2: "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
        3: "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
        8: "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
    }
    frontier = Frontier()
    for text in inputs:
        frontier.append(leaf_hash(bytes.fromhex(text)))
        if frontier.size in roots:
            assert frontier.root().hex() == roots[frontier.size]


def test_a_frontier_goes_on_where_it_was_stored() -> None:
    whole, first = Frontier(), Frontier()
    leaves = [leaf_hash(str(index).encode()) for index in range(37)]
    for leaf in leaves:
        whole.append(leaf)
    for leaf in leaves[:21]:
        first.append(leaf)
    again = Frontier.from_hex(21, first.as_hex())
    assert len(again.roots) == 3
    for leaf in leaves[21:]:
        again.append(leaf)
    assert again.root() == whole.root()


def test_a_frontier_of_another_size_is_refused() -> None:
    with pytest.raises(ValueError, match="perfect subtrees"):
        Frontier.from_hex(3, ["00" * 32])
