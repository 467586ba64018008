"""Legal holds: list, place, read, release."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from config.accounts.api.base import PROBLEMS, ApiView, ListView
from config.accounts.api.queries import digest, one_of
from config.accounts.models import User
from config.accounts.permissions import needs
from config.accounts.roles import Act
from registry import hold_selectors, selectors, training_selectors
from registry.hold_selectors import Target
from registry.services import holds

from .hold_serializers import (
    HoldReleaseSerializer,
    HoldRequestSerializer,
    HoldSerializer,
    PlacedHoldsSerializer,
)

STATES = ("open", "released")
STATE = OpenApiParameter("state", enum=STATES, description="Only those that stand, or do not")
SHA256 = OpenApiParameter("sha256", description="Only those on these bytes")
VERSION = OpenApiParameter("version", description="Only those on files of this version")


class HoldList(ListView):
    """Legal holds."""

    permission_classes = [needs(Act.HOLD, reading=Act.AUDIT)]
    query_names = ListView.query_names | {"state", "sha256", "version"}

    @extend_schema(
        operation_id="holds_list",
        parameters=[STATE, SHA256, VERSION],
        responses={200: HoldSerializer(many=True), **PROBLEMS},
    )
    def get(self, request: Request) -> Response:
        """Holds, released ones too, newest first."""
        rows = hold_selectors.holds()
        query = request.query_params
        if state := one_of(query, "state", STATES):
            rows = rows.filter(released_at__isnull=state == "open")
        if sha256 := digest(query, "sha256"):
            rows = rows.filter(sha256=sha256)
        if (ref := query.get("version")) is not None:
            target = hold_selectors.target_of_version(selectors.version_by_ref(ref))
            rows = rows.filter(sha256__in=target.sha256s)
        return self.page(rows, HoldSerializer)

    @extend_schema(
        operation_id="holds_place",
        request=HoldRequestSerializer,
        responses={200: PlacedHoldsSerializer, 201: PlacedHoldsSerializer, **PROBLEMS},
    )
    def post(self, request: Request) -> Response:
        """Hold bytes in a matter; 200 where this matter holds all of them already."""
        sent = HoldRequestSerializer(data=request.data)
        sent.is_valid(raise_exception=True)
        values = sent.validated_data
        target = _target(values, self.user)
        found = holds.place(
            sha256s=target.sha256s,
            placed_on=target.placed_on,
            matter=values["matter"],
            reason=values["reason"],
            actor=self.actor,
        )
        placed_count = sum(hold.is_new for hold in found)
        body = {"placed_count": placed_count, "holds": HoldSerializer(found, many=True).data}
        return Response(body, status=201 if placed_count else 200)


class HoldDetail(ApiView):
    """One hold."""

    permission_classes = [needs(Act.HOLD, reading=Act.AUDIT)]

    @extend_schema(operation_id="holds_get", responses={200: HoldSerializer, **PROBLEMS})
    def get(self, request: Request, uuid: UUID) -> Response:
        """What it keeps, in which matter, since when, and how it ended."""
        return Response(HoldSerializer(hold_selectors.hold_by_uuid(uuid)).data)


class HoldRelease(ApiView):
    """The end of a hold."""

    permission_classes = [needs(Act.HOLD)]

    @extend_schema(
        operation_id="holds_release",
        request=HoldReleaseSerializer,
        responses={200: HoldSerializer, **PROBLEMS},
    )
    def post(self, request: Request, uuid: UUID) -> Response:
        """Release it; other holds on the same bytes stand. 404 where it was released before."""
        sent = HoldReleaseSerializer(data=request.data)
        sent.is_valid(raise_exception=True)
        hold = holds.release(uuid=uuid, reason=sent.validated_data["reason"], actor=self.actor)
        return Response(HoldSerializer(hold).data)


def _target(values: Mapping[str, Any], user: User) -> Target:
    if "version" in values:
        return hold_selectors.target_of_version(selectors.version_by_ref(values["version"]))
    if "adapter" in values:
        return hold_selectors.target_of_adapter(selectors.adapter_by_ref(values["adapter"]))
    if "training_run" in values:
        run = training_selectors.visible_run(user, values["training_run"])
        return hold_selectors.target_of_training(run)
    return Target(tuple(values["sha256"]))
