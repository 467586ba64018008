"""The bridge to REST framework: its authentication and permissions, the contract's answers."""

from collections.abc import Mapping
from typing import Any

from asgiref.sync import async_to_sync
from rest_framework.request import Request as RestRequest
from rest_framework.response import Response as RestResponse
from rest_framework.views import APIView

from config.core.negotiation import AsTheContractSays
from serving.sagemaker.django_views import read_request, run_to_end, to_http
from serving.sagemaker.factory import respond, waits
from serving.sagemaker.registry import Handler


class SageMakerViewMixin(APIView):
    """For an ``APIView`` whose methods hand their request to a handler.

    Put it before the view's base: ``class Adapters(SageMakerViewMixin, ApiView)``. What REST
    framework refuses itself (nobody signed in, a method that is not there) is answered in the
    contract's shape.
    """

    content_negotiation_class = AsTheContractSays

    def answer(self, handler: Handler, request: RestRequest, **path_params: Any) -> Any:
        """What ``handler`` says; its request has ``user``, ``auth`` and all else of ``request``."""
        read = read_request(request._request, path_params, native=request)
        if waits(handler):
            return to_http(async_to_sync(respond)(handler, read))
        return to_http(run_to_end(respond(handler, read)))

    def handle_exception(self, exc: Exception) -> RestResponse:
        """The refusal of the view's base, its words in the contract's shape."""
        response = super().handle_exception(exc)
        if isinstance(response, RestResponse):
            response.data = {"detail": _words(response.data)}
            response.content_type = "application/json"
        return response


def _words(data: Any) -> Any:
    """What a refusal says, with the way to mend it where it has one."""
    if isinstance(data, Mapping) and "detail" in data:
        return " ".join(str(data[key]) for key in ("detail", "fix") if data.get(key))
    return data
