"""Names of registrations, as SageMaker's clients may give them."""

import re
from dataclasses import dataclass
from typing import Self

from registry.domain.refs import looks_like_uuid
from serving.errors import RegistrationInvalid

_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?")


@dataclass(frozen=True, slots=True)
class RegistrationName:
    """A name as it was given. Names that differ in case alone are one name."""

    given: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Check ``text``; a slash is left out because two path segments belong to the avatars.

        Raises:
            RegistrationInvalid: it can't be the name of a registration.
        """
        if not _NAME.fullmatch(text):
            raise RegistrationInvalid(
                "This can't be the name of an adapter.",
                fix="Use 1 to 63 letters, digits, '-', '_' and '.', with a letter or digit at both "
                "ends; write namespace--slug for an adapter of a namespace.",
            )
        if looks_like_uuid(text):
            raise RegistrationInvalid(
                "This name looks like a uuid, and DELETE /adapters/{uuid} means an id.",
                fix="Choose one that people can read.",
            )
        return cls(text)

    @property
    def public_name(self) -> str:
        """The name under which it answers."""
        return self.given.lower()
