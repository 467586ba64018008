"""The SageMaker door of the registry: what it loads is approved, and loaded by a rollout."""

import time

from django.conf import settings
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiResponse, extend_schema, inline_serializer
from rest_framework import serializers
from rest_framework.request import Request as RestRequest
from rest_framework.response import Response as RestResponse

from config.accounts.api.base import ApiView
from config.accounts.authentication import actor_of_request
from config.accounts.permissions import needs
from config.accounts.roles import Act
from config.core.pauses import growing
from serving.domain import shown
from serving.domain.engine_profiles import EngineProfile
from serving.errors import RegistrationNotFound
from serving.models import Deployment
from serving.sagemaker.constants import SageMakerLoRAApiHeader
from serving.sagemaker.errors import AdapterNotFound
from serving.sagemaker.handlers import (
    register_load_adapter_handler,
    register_unload_adapter_handler,
)
from serving.sagemaker.models import RegisterRequest
from serving.sagemaker.registry import Handler, Registry
from serving.sagemaker.requests import Request
from serving.sagemaker.responses import Response
from serving.sagemaker.rest_views import SageMakerViewMixin
from serving.selectors.engine_profiles import door_profile
from serving.selectors.registration_sources import version_of_source
from serving.selectors.registrations import RegistrationFacts, RegistrationState, facts_of
from serving.services import registrations

FAILED_DEPENDENCY = 424
RETRY_AFTER_SECONDS = "5"
_LOOK_EVERY_SECONDS = 0.2
_TEXT = OpenApiResponse(str, description="A sentence that names the adapter")
_SHAPED = OpenApiResponse(
    OpenApiTypes.OBJECT, description="Where the door's engine profile has a response shape"
)
_REFUSAL = OpenApiResponse(
    inline_serializer("SageMakerRefusal", {"detail": serializers.CharField()}),
    description="What is wrong and how to mend it",
)
_REFUSALS = {
    (status, "application/json"): _REFUSAL
    for status in (400, 401, 403, 404, 405, 409, 413, 415, 422, 424, 507)
}


class RegistrationSerializer(serializers.Serializer[RegisterRequest]):
    """What is loaded under which name. Fields that an engine profile maps may be added."""

    name = serializers.RegexField(
        r"^[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?$",
        help_text="Names that differ in case alone are one name; a UUID is none.",
    )
    src = serializers.CharField(
        help_text="`slug@version`, `slug@alias`, `sha256:…`, a blob's address, `s3://…`"
    )
    preload = serializers.BooleanField(
        default=True, help_text="Whether the answer waits until it is loaded"
    )
    pin = serializers.BooleanField(
        default=False, help_text="Nothing registered is ever put out for another"
    )


class RegistrationFactsSerializer(serializers.Serializer[RegistrationFacts]):
    """How far a registration has come."""

    id = serializers.CharField()
    name = serializers.CharField()
    state = serializers.ChoiceField(choices=[str(state) for state in RegistrationState])
    version = serializers.CharField()
    digest = serializers.CharField()
    rollout = serializers.CharField()
    detail = serializers.CharField()


class _Door(SageMakerViewMixin, ApiView):
    permission_classes = [needs(Act.DEPLOY)]
    meaning_headers = (
        SageMakerLoRAApiHeader.ADAPTER_IDENTIFIER,
        SageMakerLoRAApiHeader.ADAPTER_ALIAS,
    )


class Registrations(_Door):
    """``/adapters`` of the SageMaker contract."""

    @extend_schema(
        operation_id="sagemaker_register",
        request={"application/json": RegistrationSerializer},
        responses={
            (200, "text/plain"): _TEXT,
            (200, "application/json"): _SHAPED,
            (202, "application/json"): RegistrationFactsSerializer,
            **_REFUSALS,
        },
    )
    def post(self, request: RestRequest) -> RestResponse:
        """Load an approved version under a name; the answer waits until it is loaded."""
        found: RestResponse = self.answer(_loading(door_profile()), request)
        return found


class RegistrationDetail(_Door):
    """``/adapters/{adapter_name}`` of the SageMaker contract."""

    @extend_schema(
        operation_id="sagemaker_unregister",
        responses={
            (200, "text/plain"): _TEXT,
            (200, "application/json"): _SHAPED,
            **_REFUSALS,
        },
    )
    def delete(self, request: RestRequest, adapter_name: str) -> RestResponse:
        """End a registration; what the registry holds stays as it is."""
        handler = _unloading(door_profile())
        found: RestResponse = self.answer(handler, request, adapter_name=adapter_name)
        return found


def _loading(profile: EngineProfile) -> Handler:
    registered = register_load_adapter_handler(
        profile.register_request_shape,
        profile.register_response_shape or None,
        registry=Registry(),
    )
    return registered(_load)


def _unloading(profile: EngineProfile) -> Handler:
    registered = register_unload_adapter_handler(
        profile.unregister_request_shape,
        profile.unregister_response_shape or None,
        registry=Registry(),
    )
    return registered(_unload)


def _load(data: object, raw_request: Request) -> Response:
    asked = raw_request.native
    row = registrations.register(
        name=str(getattr(data, "name", "")),
        version=version_of_source(str(getattr(data, "src", ""))),
        user=asked.user,
        actor=actor_of_request(asked),
    )
    if getattr(data, "preload", True) is False:
        return Response(facts_of(row).as_json())
    facts = _when_settled(row)
    if facts.state is RegistrationState.LOADED:
        return Response(facts.as_json())
    if facts.state is RegistrationState.LOADING:
        # Not final: an idempotency key keeps no answer that says when to ask again.
        return Response(facts.as_json(), 202, {"Retry-After": RETRY_AFTER_SECONDS})
    return Response({"detail": facts.reason or "It was unregistered."}, FAILED_DEPENDENCY)


def _unload(data: object, raw_request: Request) -> Response:
    asked, name = raw_request.native, str(getattr(data, "name", ""))
    try:
        registrations.unregister(name=name, user=asked.user, actor=actor_of_request(asked))
    except RegistrationNotFound as error:
        raise AdapterNotFound(shown.adapter(name)) from error
    return Response({"id": name.lower(), "name": name, "state": str(RegistrationState.ENDED)})


def _when_settled(row: Deployment) -> RegistrationFacts:
    """The registration once it is loaded or has failed, or as it is when the wait is over."""
    until = time.monotonic() + settings.SAGEMAKER_REGISTER_WAIT_SECONDS
    pauses = growing(longest_seconds=_LOOK_EVERY_SECONDS)
    while (facts := facts_of(row)).state is RegistrationState.LOADING:
        if time.monotonic() >= until:
            break
        time.sleep(next(pauses))
    return facts
