"""Webhook endpoints: open, list, look, end."""

from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from config.accounts.api.base import PROBLEMS, ApiView, ListView
from config.accounts.permissions import needs
from config.accounts.roles import Act
from deliveries.selectors import deliveries as reads
from deliveries.services import webhooks

from .delivery_serializers import (
    OpenedWebhookSerializer,
    WebhookRequestSerializer,
    WebhookSerializer,
)


class WebhookList(ListView):
    """Endpoints that are told of events."""

    is_answer_kept = False  # a secret is shown once
    permission_classes = [needs(Act.DEPLOY, reading=Act.DEPLOY)]

    @extend_schema(
        operation_id="webhooks_list", responses={200: WebhookSerializer(many=True), **PROBLEMS}
    )
    def get(self, request: Request) -> Response:
        """All endpoints, newest first."""
        return self.page(reads.endpoints().select_related("created_by"), WebhookSerializer)

    @extend_schema(
        operation_id="webhooks_create",
        request=WebhookRequestSerializer,
        responses={201: OpenedWebhookSerializer, **PROBLEMS},
    )
    def post(self, request: Request) -> Response:
        """Open an endpoint; this answer alone holds the secret that signs what it gets."""
        wanted = WebhookRequestSerializer(data=request.data)
        wanted.is_valid(raise_exception=True)
        endpoint, secret = webhooks.create(
            user=self.user, actor=self.actor, **wanted.validated_data
        )
        return Response(
            {**WebhookSerializer(endpoint).data, "secret": secret},
            status=status.HTTP_201_CREATED,
            headers={
                "Location": f"/api/v1/webhooks/{endpoint.uuid}",
                "Cache-Control": "no-store",
            },
        )


class WebhookDetail(ApiView):
    """One endpoint."""

    permission_classes = [needs(Act.DEPLOY, reading=Act.DEPLOY)]

    @extend_schema(operation_id="webhooks_get", responses={200: WebhookSerializer, **PROBLEMS})
    def get(self, request: Request, uuid: UUID) -> Response:
        """The endpoint, without its secret."""
        return Response(WebhookSerializer(reads.endpoint_by_uuid(uuid)).data)

    @extend_schema(operation_id="webhooks_end", responses={204: None, **PROBLEMS})
    def delete(self, request: Request, uuid: UUID) -> Response:
        """End it: it is told nothing more, not even what is on its way."""
        webhooks.end(endpoint=reads.endpoint_by_uuid(uuid), actor=self.actor)
        return Response(status=status.HTTP_204_NO_CONTENT)
