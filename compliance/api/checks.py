"""Checks and the gate."""

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from compliance import selectors
from compliance.models import CheckRun
from compliance.services import check_runs
from config.accounts.api.base import PROBLEMS, ApiView, ListView
from config.accounts.permissions import needs
from config.accounts.roles import Act
from config.core.errors import Invalid
from registry.selectors import version_by_ref

from .base import version_in_query
from .serializers import CheckRunSerializer, GateSerializer, VersionRefSerializer

VERSION = OpenApiParameter("version", str, description="A version by reference")


class CheckList(ListView):
    """Runs of checks."""

    permission_classes = [needs(Act.SUBMIT)]
    query_names = ListView.query_names | {"version"}

    @extend_schema(
        operation_id="checks_list",
        parameters=[VERSION],
        responses={200: CheckRunSerializer(many=True), **PROBLEMS},
    )
    def get(self, request: Request) -> Response:
        """Runs with their results and findings, newest first."""
        return self.page(selectors.check_runs(version_in_query(request)), CheckRunSerializer)

    @extend_schema(
        operation_id="checks_run",
        request=VersionRefSerializer,
        responses={202: CheckRunSerializer, **PROBLEMS},
    )
    def post(self, request: Request) -> Response:
        """Run the package checks of a version again."""
        sent = VersionRefSerializer(data=request.data)
        sent.is_valid(raise_exception=True)
        version = version_by_ref(sent.validated_data["version"])
        run = check_runs.open(version=version, kind=CheckRun.Kind.PACKAGE)
        return Response(CheckRunSerializer(run).data, status=status.HTTP_202_ACCEPTED)


class Gate(ApiView):
    """The gate of one version."""

    permission_classes = [needs(Act.READ)]
    query_names = frozenset({"version"})

    @extend_schema(
        operation_id="checks_gate",
        parameters=[VERSION],
        responses={200: GateSerializer, **PROBLEMS},
    )
    def get(self, request: Request) -> Response:
        """Whether people may be asked to sign, what blocks, and the evaluations with bounds."""
        version = version_in_query(request)
        if version is None:
            raise Invalid("Name a version.", fix="Add ?version=adapter@version_name.")
        blockers = selectors.open_blockers(version)
        body = {
            "version": version.runtime_name,
            "is_open": not blockers,
            "is_permitted": selectors.open_serve_permission(version) is not None,
            "blockers": blockers,
            "evaluations": selectors.evaluation_summary(version),
        }
        return Response(GateSerializer(body).data)
