"""Frozen compositions: what each prompt was made with; their texts are not kept."""

from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from config.accounts.api.base import PROBLEMS, ApiView, ListView
from config.accounts.permissions import needs
from config.accounts.roles import Act
from deliveries.models import Composition
from deliveries.selectors.entries import composition_by_id, compositions


class CompositionSerializer(serializers.ModelSerializer[Composition]):
    """A composition without its text."""

    adapters = serializers.ListField(child=serializers.DictField(), read_only=True)
    tokens = serializers.ListField(child=serializers.CharField(), read_only=True)
    warnings = serializers.ListField(child=serializers.CharField(), read_only=True)

    class Meta:
        model = Composition
        fields = [
            "uuid",
            "composed_at",
            "composed_by",
            "namespace",
            "format",
            "token_format",
            "null_ordinal",
            "adapters",
            "tokens",
            "warnings",
            "prompt_mac",
            "prompt_length",
        ]
        read_only_fields = fields


class CompositionList(ListView):
    """Compositions."""

    permission_classes = [needs(Act.SUBMIT)]

    @extend_schema(
        operation_id="compositions_list",
        responses={200: CompositionSerializer(many=True), **PROBLEMS},
    )
    def get(self, request: Request) -> Response:
        """All compositions, the newest first."""
        return self.page(compositions(), CompositionSerializer)


class CompositionDetail(ApiView):
    """One composition."""

    permission_classes = [needs(Act.SUBMIT)]

    @extend_schema(
        operation_id="compositions_get", responses={200: CompositionSerializer, **PROBLEMS}
    )
    def get(self, request: Request, uuid: UUID) -> Response:
        """The composition with this id."""
        return Response(CompositionSerializer(composition_by_id(uuid)).data)
