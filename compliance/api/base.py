"""What the views of this room share: references in queries, and acts that need a session."""

from rest_framework.exceptions import PermissionDenied
from rest_framework.request import Request

from config.accounts.models import ApiToken
from registry.models import Version
from registry.selectors import version_by_ref


def version_in_query(request: Request) -> Version | None:
    """The version that ``?version=`` names; None where it is not there.

    Raises:
        RefInvalid, VersionNotFound: it names none, or is empty.
    """
    ref = request.query_params.get("version")
    return version_by_ref(ref) if ref is not None else None


def needs_session(request: Request, what: str) -> None:
    """Refuse an API token for acts that a person does himself (21 CFR 11.200).

    Raises:
        PermissionDenied: the request came with a token.
    """
    if isinstance(request.auth, ApiToken):
        raise PermissionDenied(f"{what} can't be done with an API token; sign in.")
