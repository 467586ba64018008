"""Engine profiles: how engines name what clients of the SageMaker contract send."""

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from config.accounts.api.base import PROBLEMS, ApiView
from config.accounts.permissions import needs
from config.accounts.roles import Act
from serving.domain.engine_profiles import EngineProfile
from serving.selectors import engine_profiles as reads
from serving.services import engine_profiles

_SHAPE = "Fields of one side and JMESPath expressions on the other; objects may be nested"


class ProfileSerializer(serializers.Serializer[Any]):
    """An engine's shapes. An empty response shape: the contract's fixed texts."""

    name = serializers.CharField(read_only=True)
    title = serializers.CharField(required=False, allow_blank=True, max_length=200)
    register_request_shape = serializers.DictField(required=False, help_text=_SHAPE)
    register_response_shape = serializers.DictField(required=False, help_text=_SHAPE)
    unregister_request_shape = serializers.DictField(required=False, help_text=_SHAPE)
    unregister_response_shape = serializers.DictField(required=False, help_text=_SHAPE)
    adapter_path = serializers.CharField(
        required=False, max_length=100, help_text="The field of an inference body for the adapter"
    )
    is_appended = serializers.BooleanField(required=False)
    separator = serializers.CharField(
        required=False, allow_blank=True, max_length=20, trim_whitespace=False
    )
    is_used_by_door = serializers.BooleanField(
        default=False, help_text="Whether this registry's own /adapters translates by it"
    )

    def to_representation(self, instance: EngineProfile) -> dict[str, Any]:
        """All of the profile."""
        return {
            **instance.as_json(),
            "is_used_by_door": reads.door_profile().name == instance.name,
        }


class ProfileList(ApiView):
    """Engine profiles."""

    permission_classes = [needs(Act.NODES)]

    @extend_schema(
        operation_id="engine_profiles_list",
        responses={200: ProfileSerializer(many=True), **PROBLEMS},
    )
    def get(self, request: Request) -> Response:
        """All profiles by name."""
        return Response(ProfileSerializer(reads.profiles(), many=True).data)


class ProfileDetail(ApiView):
    """One engine profile."""

    permission_classes = [needs(Act.NODES)]

    @extend_schema(
        operation_id="engine_profiles_get", responses={200: ProfileSerializer, **PROBLEMS}
    )
    def get(self, request: Request, name: str) -> Response:
        """By name; an engine server gives its shapes to the toolkit's decorators."""
        return Response(ProfileSerializer(reads.profile_by_name(name)).data)

    @extend_schema(
        operation_id="engine_profiles_save",
        request=ProfileSerializer,
        responses={200: ProfileSerializer, **PROBLEMS},
    )
    def put(self, request: Request, name: str) -> Response:
        """Store it whole; what is left out gets its default."""
        wanted = ProfileSerializer(data=request.data)
        wanted.is_valid(raise_exception=True)
        values = dict(wanted.validated_data)
        is_used_by_door = values.pop("is_used_by_door")
        saved = engine_profiles.save(
            values={**values, "name": name},
            is_used_by_door=is_used_by_door,
            user=self.user,
            actor=self.actor,
        )
        return Response(ProfileSerializer(saved).data)
