"""By which names a base may be declared."""

import pytest

from compliance.domain.base_names import is_address, is_name_of, is_path

NAMES = ["smollm2-135m", "HuggingFaceTB/SmolLM2-135M-Instruct", "/srv/models/smollm2-135m"]


@pytest.mark.parametrize(
    ("declared", "known"),
    [
        ("smollm2-135m", True),
        ("HuggingFaceTB/SmolLM2-135M-Instruct", True),
        ("/srv/models/smollm2-135m", True),
        ("/home/me/train/smollm2-135m/", True),
        ("./smollm2-135m", True),
        ("C:\\models\\smollm2-135m", True),
        ("somebody/SmolLM2-135M-Instruct", False),
        ("somebody/smollm2-135m", False),
        ("/home/me/SmolLM2-135M-Instruct", False),
        ("/home/me/llama", False),
        ("https://example.org/smollm2-135m", False),
        ("", False),
    ],
)
def test_names(declared: str, known: bool) -> None:
    assert is_name_of(declared, NAMES) is known


def test_paths_and_addresses() -> None:
    assert is_path("/a")
    assert is_path("a/b/c")
    assert not is_path("owner/name")
    assert is_address("s3://bucket/x")
    assert not is_address("owner/name")
