"""Tokens of node agents: they fetch blobs and report replicas, and can do nothing else."""

from django.conf import settings
from django.db import transaction

from config.accounts.models import ApiToken, User
from config.accounts.roles import Act, Role
from config.core.actors import Actor

from . import people, roles, tokens

SCOPES = (Act.FETCH_BLOBS, Act.REPORT_REPLICAS)


def issue_agent_token(
    *, node_name: str, actor: Actor, days: int | None = None
) -> tuple[ApiToken, str]:
    """A new token for the agent of ``node_name``; the ones it had before end with this.

    Raises:
        AccountInvalid: the node's name can't be part of a user name.
    """
    username = f"agent-{node_name}"
    with transaction.atomic():
        user = User.objects.filter(username=username).first()
        if user is None:
            user = people.create_program_account(username=username, actor=actor)
        roles.grant(user=user, role=Role.NODE_AGENT, granted_by=None, actor=actor)
        for former in ApiToken.objects.filter(node_name=node_name, revoked_at__isnull=True):
            tokens.revoke(token=former, actor=actor, reason="a new token was issued")
        return tokens.issue(
            user=user,
            name=f"agent of {node_name}",
            scopes=SCOPES,
            days=days or settings.API_TOKEN_MAX_DAYS,
            node_name=node_name,
            actor=actor,
        )
