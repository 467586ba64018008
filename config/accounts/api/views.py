"""Tokens: issue (the text is shown once), list, revoke; each account sees its own."""

from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from config.accounts.permissions import needs
from config.accounts.roles import Act
from config.accounts.selectors import token_of, tokens_of
from config.accounts.services import tokens

from .base import PROBLEMS, ApiView, ListView
from .serializers import IssuedTokenSerializer, TokenRequestSerializer, TokenSerializer


class TokenList(ListView):
    """The account's own tokens."""

    is_answer_kept = False  # a token's text is shown once
    permission_classes = [needs(Act.TOKENS, reading=Act.TOKENS)]

    @extend_schema(operation_id="tokens_list", responses={200: TokenSerializer(many=True)})
    def get(self, request: Request) -> Response:
        """The tokens of this account, newest first."""
        return self.page(tokens_of(self.user), TokenSerializer)

    @extend_schema(
        operation_id="tokens_issue",
        request=TokenRequestSerializer,
        responses={201: IssuedTokenSerializer, **PROBLEMS},
    )
    def post(self, request: Request) -> Response:
        """Issue a token; this answer alone holds its text."""
        wanted = TokenRequestSerializer(data=request.data)
        wanted.is_valid(raise_exception=True)
        token, text = tokens.issue(user=self.user, actor=self.actor, **wanted.validated_data)
        body = {"token": text, **TokenSerializer(token).data}
        return Response(body, status=status.HTTP_201_CREATED, headers={"Cache-Control": "no-store"})


class TokenDetail(ApiView):
    """One of the account's own tokens."""

    permission_classes = [needs(Act.TOKENS, reading=Act.TOKENS)]

    @extend_schema(operation_id="tokens_get", responses={200: TokenSerializer, **PROBLEMS})
    def get(self, request: Request, uuid: UUID) -> Response:
        """What the token is, without its text."""
        return Response(TokenSerializer(token_of(self.user, uuid)).data)

    @extend_schema(operation_id="tokens_revoke", responses={204: None, **PROBLEMS})
    def delete(self, request: Request, uuid: UUID) -> Response:
        """Revoke the token; it is refused from now on."""
        tokens.revoke(token=token_of(self.user, uuid), actor=self.actor)
        return Response(status=status.HTTP_204_NO_CONTENT)
