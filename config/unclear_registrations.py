"""What ``POST /adapters`` answers when its body belongs to neither contract, or to both."""

from typing import Any

from django.http import HttpRequest
from rest_framework import status
from rest_framework.exceptions import ParseError
from rest_framework.request import Request
from rest_framework.response import Response

from config.accounts.permissions import needs_any
from config.accounts.roles import Act
from config.core import problems
from config.core.errors import Invalid
from config.core.strict_json import NameTwice, parse
from deliveries.api.manager_base import ManagerView
from serving.sagemaker.errors import FieldsInvalid
from serving.sagemaker.validation import read_register_request

_FIX = (
    "Send name and src to load an adapter (SageMaker), or name and file_path to list one (LoRA "
    "manager). Under /sagemaker/adapters and /manager/adapters nothing has to be guessed."
)


class RegistrationAmbiguous(Invalid):
    """The body holds the fields of two contracts."""

    code = "registration-ambiguous"
    title = "The body belongs to two contracts"


class RegistrationIncomplete(Invalid):
    """The body holds the fields of no contract."""

    code = "registration-incomplete"
    title = "The body names no source"


class _Unclear(ManagerView):
    permission_classes = [needs_any(Act.SUBMIT, Act.DEPLOY)]


class AmbiguousRegistration(_Unclear):
    """Both ``src`` and ``file_path`` (or ``metadata_uri``) are there."""

    def post(self, request: Request) -> Response:
        """Refuse: one of the two would be ignored."""
        raise RegistrationAmbiguous(
            "The body has src and file_path or metadata_uri: it is ambiguous.", fix=_FIX
        )


class IncompleteRegistration(_Unclear):
    """Neither is there. Both contracts' readers find what they look for in one body."""

    def post(self, request: Request) -> Response:
        """Refuse, naming what is missing: ``detail`` as SageMaker has it, JSON in a text."""
        error = RegistrationIncomplete("Neither src nor file_path is given.", fix=_FIX)
        body = problems.of_domain_error(error) | {
            "detail": _faults(request._request),
            "invalid_params": [
                {"name": "src", "reason": "is missing (SageMaker)"},
                {"name": "file_path", "reason": "is missing (LoRA manager)"},
            ],
        }
        return Response(
            body, status=status.HTTP_400_BAD_REQUEST, content_type=problems.CONTENT_TYPE
        )


def _faults(request: HttpRequest) -> str:
    """What SageMaker's own door would say of the fields."""
    data: Any
    try:
        data = parse(request.body)
    except NameTwice as error:
        raise ParseError(f"JSON parse error: {error}.") from None
    except ValueError:
        data = request.GET.dict()
    try:
        read_register_request(data)
    except FieldsInvalid as error:
        return error.detail
    raise AssertionError("what has src is SageMaker's and never comes here")
