"""What the training bench promises, and how it says that a promise was not kept."""

NAME = "front-desk"
LEAST_GAIN = 0.20


class Broken(RuntimeError):
    """A promise was not kept; the text says which."""


def must(is_so: bool, otherwise: str) -> None:
    """Stop where a promise is not kept."""
    if not is_so:
        raise Broken(otherwise)
