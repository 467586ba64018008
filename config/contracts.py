"""The outward contracts: where each one's paths are listed, and how it says "not found"."""

import re
from collections.abc import Callable
from dataclasses import dataclass

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.http.response import HttpResponseBase
from django.urls import Resolver404, URLPattern, re_path, resolve
from django.views.decorators.csrf import csrf_exempt

from config.core import problems

NOTHING_HERE = "There is nothing here."


@dataclass(frozen=True)
class Contract:
    """One contract: its mount, the module of its paths, and its own answer to an unknown path."""

    mount: str
    urls: str
    not_found: Callable[[HttpRequest], HttpResponse]


def _not_found_as_detail(_: HttpRequest) -> HttpResponse:
    return JsonResponse({"detail": "Not Found"}, status=404)


def _not_found_as_coded_detail(_: HttpRequest) -> HttpResponse:
    body = problems.problem(status=404, code="not-found", title="Not found", detail=NOTHING_HERE)
    return JsonResponse({key: body[key] for key in ("detail", "code", "request_id")}, status=404)


def _not_found_as_problem(_: HttpRequest) -> HttpResponse:
    body = problems.problem(status=404, code="not-found", title="Not found", detail=NOTHING_HERE)
    said = {**body, "invalid_params": []}
    return JsonResponse(said, status=404, content_type=problems.CONTENT_TYPE)


def _not_found_as_error(_: HttpRequest) -> HttpResponse:
    return JsonResponse({"error": NOTHING_HERE, "error_code": "NOT_FOUND"}, status=404)


SAGEMAKER = Contract("sagemaker", "serving.api.sagemaker_urls", _not_found_as_detail)
MANAGER = Contract("manager", "deliveries.api.manager_urls", _not_found_as_problem)
ARTIFACTS = Contract("lambda", "registry.api.artifact_urls", _not_found_as_error)
AVATARS = Contract("avatar", "registry.api.avatar_urls", _not_found_as_coded_detail)
CONTRACTS = (SAGEMAKER, MANAGER, ARTIFACTS, AVATARS)


def hand_on(request: HttpRequest, contract: Contract, path: str) -> HttpResponseBase:
    """What the contract answers to ``request`` under its own ``path`` (without the mount)."""
    try:
        match = resolve(f"/{path}", urlconf=contract.urls)
    except Resolver404:
        return contract.not_found(request)
    request.resolver_match = match
    response: HttpResponseBase = match.func(request, *match.args, **match.kwargs)
    return response


def everything_below(prefix: str, contract: Contract) -> URLPattern:
    """The route of ``prefix`` and of all that lies below it: the contract answers each of them.

    One pattern for both, so that Django never finds a reason to add a slash by a redirect: that
    would turn a POST into a GET without a body.
    """

    @csrf_exempt
    def view(request: HttpRequest, path: str) -> HttpResponseBase:
        return hand_on(request, contract, path)

    return re_path(rf"^(?P<path>{re.escape(prefix)}(?:/[\s\S]*)?)\Z", view)


def unknown_below(contract: Contract) -> URLPattern:
    """The route of whatever is unknown below the contract's mount; it stands after the known."""

    @csrf_exempt
    def view(request: HttpRequest) -> HttpResponseBase:
        return contract.not_found(request)

    return re_path(rf"^{contract.mount}(?:/[\s\S]*)?\Z", view)
