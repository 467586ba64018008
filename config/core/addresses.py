"""What a record may say of the address that was asked for: the route, and ids that we made.

Whatever else stands in an address was typed, and the audit trail keeps it for years: a note in the
wrong place must not end there.
"""

import re
from typing import Any

from django.http import HttpRequest

# As many as an audit event keeps of the name of what was asked for.
MAX_LETTERS = 100
_PARAMETER = re.compile(r"<(?:\w+:)?(\w+)>")
_OUR_ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|[0-9a-f]{64}|\d{1,10}")


def asked_for(request: HttpRequest) -> str:
    """Method and route of a request, at most 100 characters: ``GET /api/v1/versions/<ref>``."""
    match = request.resolver_match
    if match is None:
        return f"{request.method} an unknown address"
    values: dict[str, Any] = match.kwargs

    def shown(parameter: re.Match[str]) -> str:
        value = str(values.get(parameter[1], ""))
        return value if _OUR_ID.fullmatch(value) else f"<{parameter[1]}>"

    return f"{request.method} /{_PARAMETER.sub(shown, match.route)}"[:MAX_LETTERS]
