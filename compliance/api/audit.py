"""The audit trail: read, and verified."""

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from compliance import selectors
from compliance.services import verification
from config.accounts.api.base import PROBLEMS, ApiView, ListView
from config.accounts.permissions import needs
from config.accounts.roles import Act

from .serializers import AuditEventSerializer, AuditQuerySerializer, VerificationSerializer


class AuditList(ListView):
    """Events."""

    permission_classes = [needs(Act.AUDIT, reading=Act.AUDIT)]
    query_names = ListView.query_names | frozenset(AuditQuerySerializer().fields)

    @extend_schema(
        operation_id="audit_list",
        parameters=[AuditQuerySerializer],
        responses={200: AuditEventSerializer(many=True), **PROBLEMS},
    )
    def get(self, request: Request) -> Response:
        """Events, newest first."""
        query = AuditQuerySerializer(data=request.query_params)
        query.is_valid(raise_exception=True)
        filters = selectors.AuditFilters(**query.validated_data)
        return self.page(selectors.audit_events(filters), AuditEventSerializer)


class AuditVerify(ApiView):
    """The verifier."""

    permission_classes = [needs(Act.AUDIT, reading=Act.AUDIT)]

    @extend_schema(operation_id="audit_verify", responses={200: VerificationSerializer, **PROBLEMS})
    def get(self, request: Request) -> Response:
        """Every hash computed anew, and every tree head that can be found."""
        return Response(VerificationSerializer(verification.verify().as_dict()).data)
