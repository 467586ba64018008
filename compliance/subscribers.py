"""News from the rooms below, a line each."""


def connect() -> None:
    """Subscribe this room to the events that it answers."""
