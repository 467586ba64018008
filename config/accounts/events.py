"""What happens to accounts."""

from dataclasses import dataclass

from config.core.events import Event


@dataclass(frozen=True, kw_only=True)
class PersonCreated(Event):
    """A human being was entered."""

    action = "person.created"


@dataclass(frozen=True, kw_only=True)
class UserCreated(Event):
    """An account was opened."""

    action = "user.created"


@dataclass(frozen=True, kw_only=True)
class RoleGranted(Event):
    """An account holds a role from now on."""

    action = "role.granted"


@dataclass(frozen=True, kw_only=True)
class RoleEnded(Event):
    """An account holds a role no longer."""

    action = "role.ended"


@dataclass(frozen=True, kw_only=True)
class TokenIssued(Event):
    """A program got a credential; its text is nowhere in this event."""

    action = "token.issued"


@dataclass(frozen=True, kw_only=True)
class TokenRevoked(Event):
    """A credential ended before its time."""

    action = "token.revoked"


@dataclass(frozen=True, kw_only=True)
class SecondFactorEnrolled(Event):
    """An account has a second factor."""

    action = "second_factor.enrolled"


@dataclass(frozen=True, kw_only=True)
class SecondFactorRemoved(Event):
    """An account lost a second factor."""

    action = "second_factor.removed"


@dataclass(frozen=True, kw_only=True)
class SignedIn(Event):
    """An account began a session."""

    action = "session.begun"


@dataclass(frozen=True, kw_only=True)
class SignedOut(Event):
    """An account ended a session."""

    action = "session.ended"


@dataclass(frozen=True, kw_only=True)
class SignInFailed(Event):
    """A wrong name, password or code was given."""

    action = "session.refused"
    is_act = False


@dataclass(frozen=True, kw_only=True)
class AccessRefused(Event):
    """A known account tried an act that its roles or its token do not allow."""

    action = "access.refused"
    is_act = False
