"""Health and alerts for people and programs of the house."""

from typing import Any

from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from config.accounts.api.base import PROBLEMS, ApiView, ListView
from config.accounts.api.queries import one_of
from config.accounts.permissions import needs
from config.accounts.roles import Act
from serving.domain.facts import AlertSeverity
from serving.domain.health import Status
from serving.health import answers
from serving.health.measuring import measured_for
from serving.models import Alert
from serving.selectors import alerts as reads


class AlertSerializer(serializers.Serializer[Any]):
    """Something that is or was wrong: what, since when, what to do, and whose task it is."""

    severity = serializers.ChoiceField(choices=[str(s) for s in AlertSeverity])
    message = serializers.CharField()
    rule = serializers.CharField()
    subject = serializers.CharField()
    since = serializers.DateTimeField()
    opened_at = serializers.DateTimeField()
    closed_at = serializers.DateTimeField(allow_null=True)
    fix = serializers.CharField()
    who = serializers.CharField()
    runbook = serializers.CharField()

    def to_representation(self, instance: Alert) -> dict[str, Any]:
        """The one form in which alerts are told."""
        return answers.alert(instance)


class MemorySerializer(serializers.Serializer[Any]):
    """Memory of the process that answers."""

    rss_mb = serializers.FloatField()


class ComponentSerializer(serializers.Serializer[Any]):
    """One part as measured now."""

    status = serializers.ChoiceField(choices=[str(s) for s in Status])
    latency_ms = serializers.FloatField(allow_null=True)
    detail = serializers.CharField(required=False)
    memory_usage = MemorySerializer(required=False, help_text="Of the part `manager`")


class HealthSerializer(serializers.Serializer[Any]):
    """The whole and its parts."""

    state = serializers.ChoiceField(choices=["ready", "degraded", "error"])
    active_adapters = serializers.IntegerField(allow_null=True)
    memory_usage_mb = serializers.FloatField()
    system_health = serializers.CharField(help_text="The same as `overall_health`")
    overall_health = serializers.CharField(help_text="healthy, degraded or unhealthy")
    components = serializers.DictField(child=ComponentSerializer())
    alerts = AlertSerializer(many=True)


class Health(ApiView):
    """How the parts of the house are."""

    permission_classes = [needs(Act.READ)]

    @extend_schema(
        operation_id="health_get",
        responses={
            200: HealthSerializer,
            503: OpenApiResponse(
                HealthSerializer,
                description="The database does not answer. Told without signing in, "
                "without details and alerts.",
            ),
            **PROBLEMS,
        },
    )
    def get(self, request: Request) -> Response:
        """Every part measured now, within two seconds, with the open alerts."""
        measured = measured_for(request._request)
        body = answers.full(measured, is_trusted=True)
        return Response(
            body, status=answers.status_code(measured), headers={"Cache-Control": "no-store"}
        )


class AlertList(ListView):
    """Alerts."""

    permission_classes = [needs(Act.READ)]
    query_names = ListView.query_names | {"state"}

    @extend_schema(
        operation_id="alerts_list",
        parameters=[
            OpenApiParameter("state", str, enum=["open", "all"], description="`open`: all at once")
        ],
        responses={200: AlertSerializer(many=True), **PROBLEMS},
    )
    def get(self, request: Request) -> Response:
        """All alerts, newest first; with `state=open` what is wrong now, critical first."""
        if one_of(request.query_params, "state", ("open", "all")) == "open":
            rows = AlertSerializer(reads.open_alerts(), many=True).data
            return Response({"next": None, "previous": None, "results": rows})
        return self.page(reads.alerts(), AlertSerializer)
