"""Aliases: list, move, history."""

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from config.accounts.api.base import PROBLEMS, ApiView, ListView
from config.accounts.permissions import needs
from config.accounts.roles import Act
from registry import selectors
from registry.services import aliases

from .serializers import AliasMoveSerializer, AliasRequestSerializer, AliasSerializer


class AliasList(ListView):
    """An adapter's aliases."""

    permission_classes = [needs(Act.READ)]

    @extend_schema(
        operation_id="aliases_list", responses={200: AliasSerializer(many=True), **PROBLEMS}
    )
    def get(self, request: Request, ref: str) -> Response:
        """The adapter's aliases."""
        return self.page(selectors.aliases_of(selectors.adapter_by_ref(ref)), AliasSerializer)


class AliasDetail(ApiView):
    """One alias."""

    permission_classes = [needs(Act.SUBMIT)]

    @extend_schema(
        operation_id="aliases_move",
        request=AliasRequestSerializer,
        responses={200: AliasSerializer, **PROBLEMS},
    )
    def put(self, request: Request, ref: str, name: str) -> Response:
        """Move the alias if it still names what the caller expects."""
        adapter = selectors.adapter_by_ref(ref)
        wanted = AliasRequestSerializer(data=request.data)
        wanted.is_valid(raise_exception=True)
        values = wanted.validated_data
        expected = values["expected"]
        alias = aliases.move(
            adapter=adapter,
            name=name,
            to=selectors.version_by_ref(values["to"]),
            expected=selectors.version_by_ref(expected) if expected is not None else None,
            actor=self.actor,
            reason=values.get("reason", ""),
        )
        return Response(AliasSerializer(alias).data)


class AliasHistory(ListView):
    """Where an alias has pointed."""

    permission_classes = [needs(Act.READ)]

    @extend_schema(
        operation_id="aliases_history",
        responses={200: AliasMoveSerializer(many=True), **PROBLEMS},
    )
    def get(self, request: Request, ref: str, name: str) -> Response:
        """Every move of the alias, the newest first."""
        moves = selectors.alias_moves(selectors.adapter_by_ref(ref), name)
        return self.page(moves, AliasMoveSerializer)
