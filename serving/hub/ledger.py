"""Writes the download ledger."""

from django.db import transaction

from compliance.services import audit
from config.accounts.models import User
from config.core import clock
from config.core.actors import Actor
from config.core.texts import unstorable
from registry.models import Version
from serving.models import Download

from .files import HubFile
from .ranges import Span

ACTION = "version.downloaded"
_AGENT_LETTERS = 200


def count(
    *,
    file: HubFile,
    version: Version,
    span: Span,
    user: User,
    actor: Actor,
    token_name: str = "",
    user_agent: str = "",
) -> Download:
    """Write that ``user`` is given these bytes; call it before the first of them goes out.

    Each download is a row. The audit trail gets one event for each account and version a day (UTC),
    so that a fleet that starts anew doesn't bury what people did.
    """
    with transaction.atomic():
        # Two downloads of one account at once: the second sees the first one's row.
        User.objects.select_for_update(no_key=True).get(pk=user.pk)
        now = clock.now()
        today = now.replace(hour=0, minute=0, second=0, microsecond=0)
        earlier = Download.objects.filter(account=user, version=version, at__gte=today)
        is_first = not earlier.exists()
        row = Download.objects.create(
            account=user,
            token_name=token_name[:100],
            version=version,
            digest=version.digest,
            path=file.path,
            sha256=file.sha256,
            first_byte=span.first,
            size_bytes=span.length,
            user_agent="" if unstorable(user_agent) else user_agent[:_AGENT_LETTERS],
            at=now,
        )
        if is_first:
            audit.record(
                action=ACTION,
                actor=actor,
                object_type="version",
                object_id=str(version.uuid),
                object_rev=version.digest,
                diff={"path": [None, file.path], "sha256": [None, file.sha256]},
            )
    return row
