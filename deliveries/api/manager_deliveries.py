"""The LoRA manager's deliveries: take a prompt in, tell how it fares."""

from uuid import UUID

from django.conf import settings
from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.throttling import UserRateThrottle

from config.accounts.permissions import needs
from config.accounts.roles import Act
from deliveries.selectors import deliveries as reads
from deliveries.services import delivery_jobs

from .delivery_serializers import (
    DeliveryMadeSerializer,
    DeliveryRequestSerializer,
    DeliveryShownSerializer,
    shown,
)
from .manager_base import WRITING, ManagerView, refusals


class DeliverThrottle(UserRateThrottle):
    """So many deliveries a minute from one account."""

    scope = "deliver"

    def get_rate(self) -> str:
        """As DELIVERY_RATE_PER_MINUTE says."""
        return f"{settings.DELIVERY_RATE_PER_MINUTE}/min"


class ManagerDeliveryList(ManagerView):
    """Taking deliveries in."""

    permission_classes = [needs(Act.DELIVER, reading=Act.DELIVER)]
    throttle_classes = [DeliverThrottle]

    @extend_schema(
        operation_id="manager_deliveries_create",
        request=DeliveryRequestSerializer,
        responses={201: DeliveryMadeSerializer, **refusals(*WRITING)},
    )
    def post(self, request: Request) -> Response:
        """Enqueue a delivery; a worker carries it out."""
        wanted = DeliveryRequestSerializer(data=request.data)
        wanted.is_valid(raise_exception=True)
        asked = wanted.validated_data
        job = delivery_jobs.enqueue(
            actor=self.actor,
            prompt=asked["prompt"],
            mode=asked["mode"],
            params=asked.get("params"),
        )
        return Response({"delivery_id": job.uuid}, status=status.HTTP_201_CREATED)


class ManagerDelivery(ManagerView):
    """One delivery."""

    permission_classes = [needs(Act.DELIVER, reading=Act.DELIVER)]

    @extend_schema(
        operation_id="manager_deliveries_get",
        responses={200: DeliveryShownSerializer, **refusals(404)},
    )
    def get(self, request: Request, uuid: UUID) -> Response:
        """Status and result of a delivery of one's own account."""
        body = DeliveryShownSerializer({"delivery": shown(reads.job_of(self.user, uuid))}).data
        return Response(body, headers={"Cache-Control": "no-store"})
