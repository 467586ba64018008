"""Base models and adapters."""

from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from config.accounts.api.base import PROBLEMS, ApiView, ListView
from config.accounts.permissions import needs
from config.accounts.roles import Act
from registry import selectors
from registry.services import adapters

from .serializers import (
    AdapterChangeSerializer,
    AdapterRequestSerializer,
    AdapterSerializer,
    BaseModelSerializer,
)


class BaseModelList(ListView):
    """Base models; they are registered by ``manage.py import_base``."""

    permission_classes = [needs(Act.READ)]

    @extend_schema(
        operation_id="base_models_list", responses={200: BaseModelSerializer(many=True), **PROBLEMS}
    )
    def get(self, request: Request) -> Response:
        """The registered base models."""
        return self.page(selectors.base_models(), BaseModelSerializer)


class BaseModelDetail(ApiView):
    """One base model."""

    permission_classes = [needs(Act.READ)]

    @extend_schema(operation_id="base_models_get", responses={200: BaseModelSerializer, **PROBLEMS})
    def get(self, request: Request, name: str) -> Response:
        """By slug or uuid."""
        return Response(BaseModelSerializer(selectors.base_model_by_name(name)).data)


class AdapterList(ListView):
    """Adapters."""

    permission_classes = [needs(Act.SUBMIT)]

    @extend_schema(
        operation_id="adapters_list", responses={200: AdapterSerializer(many=True), **PROBLEMS}
    )
    def get(self, request: Request) -> Response:
        """All adapters, newest first."""
        return self.page(selectors.adapters(), AdapterSerializer)

    @extend_schema(
        operation_id="adapters_create",
        request=AdapterRequestSerializer,
        responses={201: AdapterSerializer, **PROBLEMS},
    )
    def post(self, request: Request) -> Response:
        """Open an adapter; the account becomes its owner."""
        wanted = AdapterRequestSerializer(data=request.data)
        wanted.is_valid(raise_exception=True)
        values = dict(wanted.validated_data)
        base_model = selectors.base_model_by_name(values.pop("base_model"))
        made = adapters.create(base_model=base_model, owner=self.user, actor=self.actor, **values)
        return Response(
            AdapterSerializer(selectors.listed_adapter(str(made.uuid))).data,
            status=status.HTTP_201_CREATED,
            headers={"Location": f"/api/v1/adapters/{made.ref}"},
        )


class AdapterDetail(ApiView):
    """One adapter."""

    permission_classes = [needs(Act.SUBMIT)]

    @extend_schema(operation_id="adapters_get", responses={200: AdapterSerializer, **PROBLEMS})
    def get(self, request: Request, ref: str) -> Response:
        """By uuid, slug or namespace:slug."""
        return Response(AdapterSerializer(selectors.listed_adapter(ref)).data)

    @extend_schema(
        operation_id="adapters_change",
        request=AdapterChangeSerializer,
        responses={200: AdapterSerializer, **PROBLEMS},
    )
    def patch(self, request: Request, ref: str) -> Response:
        """Change descriptive fields."""
        adapter = selectors.adapter_by_ref(ref)
        wanted = AdapterChangeSerializer(data=request.data)
        wanted.is_valid(raise_exception=True)
        adapters.change(adapter=adapter, values=wanted.validated_data, actor=self.actor)
        return Response(AdapterSerializer(selectors.listed_adapter(ref)).data)
