"""From a parsed request to its answer: what the data plane's doors have in common."""

from starlette.requests import Request
from starlette.types import Receive, Send

from serving.domain.openai_api import AskedAnswer, RequestRefused
from serving.domain.routing import DeploymentRoute, TokenGrant
from serving.gateway.answering import Answering
from serving.gateway.bodies import until_disconnect
from serving.gateway.delivery import Delivery
from serving.gateway.gateway import Gateway

MAX_UNIT_CHARS = 200
UNIT = "X-Formulary-Unit"


def unit_of(request: Request) -> str:
    """The routing unit that the caller names; empty for none.

    Raises:
        RequestRefused: it is too long.
    """
    unit = request.headers.get(UNIT, "")
    if len(unit) > MAX_UNIT_CHARS:
        raise RequestRefused(f"{UNIT} is longer than {MAX_UNIT_CHARS} characters.", param=UNIT)
    return unit


async def answer(
    gateway: Gateway,
    *,
    route: DeploymentRoute,
    asked: AskedAnswer,
    grant: TokenGrant,
    unit: str,
    receive: Receive,
    send: Send,
) -> None:
    """Send the answer; hang up on the node when the client hangs up on us.

    Raises:
        DomainError: nothing has been sent, and nothing can be.
    """
    more_headers = []
    if gateway.snapshots.is_control_away:
        more_headers.append((b"x-formulary-control-plane", b"away"))
    answering = Answering(
        gateway=gateway,
        route=route,
        asked=asked,
        grant=grant,
        unit=unit,
        delivery=Delivery(send=send, asked=asked, rows=gateway.rows, more_headers=more_headers),
    )
    await until_disconnect(receive, answering.run())
