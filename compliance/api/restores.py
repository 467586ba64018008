"""Restores from a backup that were noticed, and the two acts that let serving go on."""

from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from compliance.models import Restore
from compliance.selectors.restores import all_restores, restore_by_uuid
from compliance.services import restores
from config.accounts.api.base import PROBLEMS, ApiView, ListView
from config.accounts.permissions import needs
from config.accounts.roles import Act

from .base import needs_session
from .serializers import ReasonSerializer


class RestoreSerializer(serializers.ModelSerializer[Restore]):
    """What outside the database was ahead of it, and how far its resuming is."""

    resume_asked_by = serializers.CharField(
        source="resume_asked_by.username", default=None, read_only=True
    )
    resumed_by = serializers.CharField(source="resumed_by.username", default=None, read_only=True)

    class Meta:
        model = Restore
        fields = [
            "uuid",
            "evidence",
            "checkpoint_size",
            "trail_size",
            "listed_epoch",
            "stops_epoch",
            "noticed_at",
            "resume_asked_by",
            "resume_asked_at",
            "resume_reason",
            "resumed_by",
            "resumed_at",
        ]
        read_only_fields = fields


class RestoreList(ListView):
    """Restores."""

    permission_classes = [needs(Act.READ)]

    @extend_schema(
        operation_id="restores_list", responses={200: RestoreSerializer(many=True), **PROBLEMS}
    )
    def get(self, request: Request) -> Response:
        """Restores, resumed ones too, newest first; one without ``resumed_at`` holds serving."""
        return self.page(all_restores(), RestoreSerializer)


class RestoreAskResume(ApiView):
    """The first person's half."""

    permission_classes = [needs(Act.RESUME)]

    @extend_schema(
        operation_id="restores_ask_resume",
        request=ReasonSerializer,
        responses={200: RestoreSerializer, **PROBLEMS},
    )
    def post(self, request: Request, uuid: UUID) -> Response:
        """Ask that serving go on after a restore; by session."""
        needs_session(request, "Asking that serving go on")
        sent = ReasonSerializer(data=request.data)
        sent.is_valid(raise_exception=True)
        row = restores.ask_resume(
            restore=restore_by_uuid(uuid),
            reason=sent.validated_data["reason"],
            user=self.user,
            actor=self.actor,
        )
        return Response(RestoreSerializer(row).data)


class RestoreResume(ApiView):
    """The second person's half."""

    permission_classes = [needs(Act.RESUME)]

    @extend_schema(
        operation_id="restores_resume",
        request=None,
        responses={200: RestoreSerializer, **PROBLEMS},
    )
    def post(self, request: Request, uuid: UUID) -> Response:
        """Let serving go on where somebody else has asked for it; by session."""
        needs_session(request, "Letting serving go on")
        row = restores.resume(restore=restore_by_uuid(uuid), user=self.user, actor=self.actor)
        return Response(RestoreSerializer(row).data)
