"""Whether an account may do an act; each service asks, so that every door is guarded."""

from config.accounts.models import User
from config.accounts.roles import Act, roles_for
from config.accounts.selectors import can, who_could
from config.core.errors import Forbidden


def require(*, user: User, act: Act) -> None:
    """Refuse an act that no role of the account allows.

    Raises:
        Forbidden: naming the roles and the people who hold one.
    """
    if can(user, act):
        return
    people = ", ".join(who_could(act)) or "nobody yet"
    raise Forbidden(
        f"This needs the role {' or '.join(roles_for(act))}.", fix=f"Who could do it: {people}."
    )
