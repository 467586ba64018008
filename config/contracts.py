"""The outward contracts: where each one's paths are, how it says "not found" and "who are you"."""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.urls import Resolver404, URLPattern, re_path, resolve
from django.views.decorators.csrf import csrf_exempt

from config.accounts.large_bodies import Refusal
from config.core import problems
from registry.api.artifact_contract import CORS

NOTHING_HERE = "There is nothing here."
_JSON = {"Content-Type": "application/json"}
_PROBLEM = {"Content-Type": problems.CONTENT_TYPE}


@dataclass(frozen=True)
class Contract:
    """One contract: its mount, the module of its paths, and what a refusal looks like in it."""

    mount: str
    urls: str
    # From a problem document to what is said here instead, before any view is asked.
    refused: Callable[[Mapping[str, Any]], Refusal]
    nothing_here: str = NOTHING_HERE

    def not_found(self) -> HttpResponse:
        """The answer to a path that the contract does not have."""
        told = self.refused(
            problems.problem(
                status=404, code="not-found", title="Not found", detail=self.nothing_here
            )
        )
        return HttpResponse(json.dumps(told.body), status=404, headers=dict(told.headers))


def _words(problem: Mapping[str, Any]) -> str:
    return f"{problem['detail']} {problem.get('fix', '')}".strip()


def _refused_as_detail(problem: Mapping[str, Any]) -> Refusal:
    return Refusal({"detail": _words(problem)}, _JSON)


def _refused_as_coded_detail(problem: Mapping[str, Any]) -> Refusal:
    kept = ("detail", "code", "request_id", "fix")
    return Refusal({key: problem[key] for key in kept if key in problem}, _JSON)


def _refused_as_problem(problem: Mapping[str, Any]) -> Refusal:
    return Refusal({**problem, "invalid_params": []}, _PROBLEM)


def _refused_as_error(problem: Mapping[str, Any]) -> Refusal:
    code = problem["code"].upper().replace("-", "_")
    return Refusal({"error": _words(problem), "error_code": code}, {**_JSON, **CORS})


SAGEMAKER = Contract(
    "sagemaker", "serving.api.sagemaker_urls", _refused_as_detail, nothing_here="Not Found"
)
MANAGER = Contract("manager", "deliveries.api.manager_urls", _refused_as_problem)
ARTIFACTS = Contract("lambda", "registry.api.artifact_urls", _refused_as_error)
AVATARS = Contract("avatar", "registry.api.avatar_urls", _refused_as_coded_detail)
CONTRACTS = (SAGEMAKER, MANAGER, ARTIFACTS, AVATARS)
# Whose shape a refusal has where the body may not be read: of ``/adapters`` and ``/adapters/{x}``
# the manager's, whose problem documents have SageMaker's ``detail`` too.
_AT_THE_ROOT: Mapping[str, Contract] = {
    "training-data": AVATARS,
    "persistence": AVATARS,
    "adapters": MANAGER,
    "compose": MANAGER,
    "deliveries": MANAGER,
    "artifact": ARTIFACTS,
    "artifacts": ARTIFACTS,
}
_HUB = "/api/models"
SWITCHES = frozenset({"activate", "deactivate"})
"""What follows an id in the manager's paths, where avatars have a name."""


def refusal_at(path: str, problem: Mapping[str, Any]) -> Refusal:
    """What stands for ``problem`` at ``path``, in the shape of the contract that is there."""
    first, *rest = path.strip("/").split("/")
    contract = next((found for found in CONTRACTS if found.mount == first), None)
    if contract is None:
        contract = _AT_THE_ROOT.get(first)
        if first == "adapters" and len(rest) > 1 and rest[1] not in SWITCHES:
            contract = AVATARS
    if contract is not None:
        return contract.refused(problem)
    if f"{path}/".startswith(f"{_HUB}/"):
        return Refusal({**problem, "error": _words(problem)}, _PROBLEM)
    return Refusal(problem, _PROBLEM)


def hand_on(request: HttpRequest, contract: Contract, path: str) -> HttpResponseBase:
    """What the contract answers to ``request`` under its own ``path`` (without the mount)."""
    try:
        match = resolve(f"/{path}", urlconf=contract.urls)
    except Resolver404:
        return contract.not_found()
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
        return contract.not_found()

    return re_path(rf"^{contract.mount}(?:/[\s\S]*)?\Z", view)
