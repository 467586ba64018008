"""Free ports: none that somebody else could get by chance, where there are such."""

from pathlib import Path

import pytest

from config.stack.ports import free_port


@pytest.mark.parametrize(
    ("handed_out", "lowest", "highest"),
    [("32768\t60999\n", 20_000, 32_767), ("1024\t65535\n", 1024, 65_535), (None, 1024, 65_535)],
)
def test_a_free_port_is_none_that_the_system_hands_out_where_others_are_left(
    tmp_path: Path, handed_out: str | None, lowest: int, highest: int
) -> None:
    told = tmp_path / "ip_local_port_range"
    if handed_out is not None:
        told.write_text(handed_out)
    found = [free_port(handed_out=told) for _ in range(20)]
    assert all(lowest <= port <= highest for port in found)
    assert len(set(found)) > 1
