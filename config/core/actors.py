"""Who does something: a person's account, a token of an application, a node, or the system."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Actor:
    """The doer of an act, as it is written into the audit trail."""

    kind: str
    name: str
    user_id: int | None = None
    person_id: int | None = None
    ip: str = ""
    session: str = ""
    request_id: str = ""

    def as_dict(self) -> dict[str, str]:
        """The parts that the audit trail keeps."""
        return {
            "kind": self.kind,
            "name": self.name,
            "id": "" if self.user_id is None else str(self.user_id),
            "person": "" if self.person_id is None else str(self.person_id),
            "ip": self.ip,
            "session": self.session,
        }


SYSTEM = Actor(kind="system", name="formulary")
