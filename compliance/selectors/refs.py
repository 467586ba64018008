"""Reads references that people and programs type."""

from uuid import UUID

NOTHING = UUID(int=0)


def parse_uuid(text: UUID | str) -> UUID:
    """The uuid in ``text``; where there is none, the uuid that nothing has."""
    try:
        return UUID(str(text))
    except ValueError:
        return NOTHING
