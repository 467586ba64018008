"""Deliveries of one's own account, with their tries."""

from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from config.accounts.api.base import PROBLEMS, ApiView, ListView
from config.accounts.permissions import needs
from config.accounts.roles import Act
from deliveries.selectors import deliveries as reads

from .delivery_serializers import DeliveryLineSerializer, DeliverySerializer, shown


class DeliveryList(ListView):
    """The account's own deliveries."""

    permission_classes = [needs(Act.DELIVER, reading=Act.DELIVER)]

    @extend_schema(
        operation_id="deliveries_list",
        responses={200: DeliveryLineSerializer(many=True), **PROBLEMS},
    )
    def get(self, request: Request) -> Response:
        """The deliveries that this account asked for, newest first, without their texts."""
        rows = reads.jobs_of(self.user).select_related("composition")
        return self.page(rows, DeliveryLineSerializer)


class DeliveryDetail(ApiView):
    """One of the account's own deliveries."""

    permission_classes = [needs(Act.DELIVER, reading=Act.DELIVER)]

    @extend_schema(operation_id="deliveries_get", responses={200: DeliverySerializer, **PROBLEMS})
    def get(self, request: Request, uuid: UUID) -> Response:
        """Prompt, parameters, state, result and each try."""
        job = reads.job_of(self.user, uuid)
        body = DeliverySerializer({**shown(job), "attempts": job.attempts.all()}).data
        return Response(body, headers={"Cache-Control": "no-store"})
