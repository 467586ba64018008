"""The outward contracts at the root, exactly as their clients call them: who answers what.

Four contracts were written apart from each other and share paths under ``/adapters``. Here is only
the choice between them; what is chosen answers as it does under its own mount.
"""

from django.core.exceptions import RequestDataTooBig
from django.http import HttpRequest, UnreadablePostError
from django.http.response import HttpResponseBase
from django.urls import URLPattern, URLResolver, include, path, re_path
from django.views.decorators.csrf import csrf_exempt

from config.contracts import (
    ARTIFACTS,
    AVATARS,
    MANAGER,
    SAGEMAKER,
    SWITCHES,
    Contract,
    everything_below,
    hand_on,
)
from config.core import strict_json
from config.unclear_registrations import AmbiguousRegistration, IncompleteRegistration
from registry.domain.refs import is_uuid

SOURCE = "src"
FILES = ("file_path", "metadata_uri")
_ambiguous, _incomplete = AmbiguousRegistration.as_view(), IncompleteRegistration.as_view()


@csrf_exempt
def adapters(request: HttpRequest) -> HttpResponseBase:
    """``/adapters``: the manager's list; a POST belongs to whose fields its body has."""
    if request.method != "POST":
        return hand_on(request, MANAGER, "adapters")
    names = _fields(request)
    is_sagemaker, is_manager = SOURCE in names, any(name in names for name in FILES)
    if is_sagemaker and is_manager:
        return _ambiguous(request)
    if is_sagemaker:
        return hand_on(request, SAGEMAKER, "adapters")
    if is_manager:
        return hand_on(request, MANAGER, "adapters")
    return _incomplete(request)


@csrf_exempt
def adapter(request: HttpRequest, first: str) -> HttpResponseBase:
    """``/adapters/{x}``: a uuid is the manager's id; any other name is SageMaker's to unload."""
    if is_uuid(first.lower()):
        return hand_on(request, MANAGER, f"adapters/{first.lower()}")
    contract = MANAGER if request.method in {"GET", "HEAD", "PATCH"} else SAGEMAKER
    return hand_on(request, contract, f"adapters/{first}")


@csrf_exempt
def adapter_part(request: HttpRequest, first: str, second: str) -> HttpResponseBase:
    """``/adapters/{a}/{b}``: the manager's switches are POSTs, all else is the avatars'.

    Where both answer on one path, what is allowed there names the methods of both.
    """
    if second in SWITCHES and request.method == "POST":
        return hand_on(request, MANAGER, f"adapters/{first.lower()}/{second}")
    is_switch = is_uuid(first.lower()) and second in SWITCHES
    response = hand_on(request, AVATARS, f"adapters/{first}/{second}")
    if is_switch and response.has_header("Allow"):
        methods = {method.strip() for method in response["Allow"].split(",")} | {"POST"}
        response["Allow"] = ", ".join(sorted(methods))
    return response


@csrf_exempt
def deliveries(request: HttpRequest, path: str) -> HttpResponseBase:
    """``/deliveries`` and below: the manager's; ids are UUIDs, in either case."""
    return hand_on(request, MANAGER, path.lower())


def _fields(request: HttpRequest) -> frozenset[str]:
    """The names in a JSON body; those of the query where the body is no JSON, or is empty."""
    try:
        body = strict_json.parse(request.body)
    except (RequestDataTooBig, UnreadablePostError):
        # Its own view refuses it, with the reason.
        return frozenset({FILES[0]})
    except ValueError:
        return frozenset(request.GET)
    return frozenset(body) if isinstance(body, dict) else frozenset()


def _below(contract: Contract, *prefixes: str) -> list[URLPattern]:
    return [everything_below(prefix, contract) for prefix in prefixes]


urlpatterns: list[URLPattern | URLResolver] = [
    path("adapters", adapters),
    re_path(r"^adapters/(?P<first>[^/]+)\Z", adapter),
    re_path(r"^adapters/(?P<first>[^/]+)/(?P<second>[^/]+)\Z", adapter_part),
    *_below(AVATARS, "adapters", "training-data", "persistence"),
    *_below(MANAGER, "compose"),
    re_path(r"^(?P<path>deliveries(?:/[\s\S]*)?)\Z", deliveries),
    *_below(ARTIFACTS, "artifact", "artifacts"),
    *_below(SAGEMAKER, "ping", "invocations"),
    path("", include("serving.hub.urls")),
]
