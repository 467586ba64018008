"""Who may call: bearer tokens from the snapshot, and one look in the database for new ones."""

import asyncio
import hashlib
import time
from collections.abc import Mapping

from django.db import DatabaseError

from config.accounts.authentication import given_tokens
from config.core import clock
from serving.domain.routing import TokenGrant
from serving.gateway.errors import DatabaseAway, InvalidApiKey, TooManyUnknownTokens
from serving.gateway.limits import Limits
from serving.gateway.snapshots import SnapshotKeeper
from serving.gateway.threads import DatabaseThreads
from serving.selectors import routing as selectors

_UNKNOWN_SECONDS = 1.0
_MAX_REMEMBERED = 10_000


class AccessControl:
    """Finds the grant of a bearer token; unknown ones cost at most a bounded number of reads."""

    def __init__(self, limits: Limits, snapshots: SnapshotKeeper, threads: DatabaseThreads) -> None:
        self._limits = limits
        self._snapshots = snapshots
        self._threads = threads
        self._new: dict[str, tuple[TokenGrant, float]] = {}
        self._unknown_until: dict[str, float] = {}
        self._looking: dict[str, asyncio.Task[TokenGrant | None]] = {}
        self._second, self._lookups = 0, 0

    async def grant_of(self, headers: Mapping[str, str], *, scope: str) -> TokenGrant:
        """The grant of the token in ``Authorization: Bearer …`` or ``X-API-Key: …``.

        Raises:
            InvalidApiKey: there is no live token in them, they differ, or it lacks ``scope``.
            DatabaseAway: the token is new here and the database does not answer.
            TooManyUnknownTokens: it is new, like too many others in this second.
        """
        given = given_tokens(headers)
        if len(given) > 1:
            raise InvalidApiKey(
                "The request's headers give two different API tokens.", fix="Send one."
            )
        text = given[0] if given else ""
        if not text:
            raise InvalidApiKey(
                "There is no API token in the Authorization header.",
                fix="Send Authorization: Bearer fml_….",
            )
        digest = hashlib.sha256(text.encode("latin-1", "replace")).hexdigest()
        grant = self._snapshots.current.tokens.get(digest) or await self._look_up(digest)
        if grant is None or grant.expires_at <= clock.now():
            raise InvalidApiKey(
                "The API token is unknown, expired or revoked.", fix="Ask for a new one."
            )
        if scope not in grant.scopes:
            raise InvalidApiKey(
                f"This API token has no scope {scope}, or its account has no role that allows it.",
                fix=f"Issue one with --scope {scope}.",
            )
        return grant

    async def _look_up(self, digest: str) -> TokenGrant | None:
        now = time.monotonic()
        if (known := self._new.get(digest)) and now < known[1]:
            return known[0]
        if now < self._unknown_until.get(digest, 0.0):
            return None
        if self._snapshots.is_control_away:
            raise self._away()
        looking = self._looking.get(digest)
        if looking is None:
            if not self._may_look(now):
                raise TooManyUnknownTokens(
                    "Too many unknown API tokens came at once; this one was not looked up.",
                    fix="Try again in a second.",
                    retry_after_seconds=1,
                )
            looking = asyncio.ensure_future(self._read(digest, now))
            self._looking[digest] = looking
            looking.add_done_callback(lambda done: self._looked_up(digest, done))
        try:
            async with asyncio.timeout(self._limits.database_seconds):
                # Shielded: one caller that hangs up must not take the answer from the others.
                return await asyncio.shield(looking)
        except TimeoutError as error:
            raise self._away() from error

    def _looked_up(self, digest: str, done: asyncio.Task[TokenGrant | None]) -> None:
        self._looking.pop(digest, None)
        if not done.cancelled():
            done.exception()  # whoever still waits gets it; nobody may

    async def _read(self, digest: str, now: float) -> TokenGrant | None:
        try:
            grant = await self._threads.run(selectors.find_token, digest)
        except DatabaseError as error:
            raise self._away() from error
        if grant is None:
            if len(self._unknown_until) >= _MAX_REMEMBERED:
                self._unknown_until.clear()
            self._unknown_until[digest] = now + _UNKNOWN_SECONDS
        else:
            if len(self._new) >= _MAX_REMEMBERED:
                self._new.clear()
            # Until the next full read has surely seen it; a revocation counts from then on.
            self._new[digest] = (grant, now + self._limits.reread_seconds)
        return grant

    def _away(self) -> DatabaseAway:
        return DatabaseAway(
            "This API token is new to the gateway, and it can't be looked up now.",
            fix="Try again in a few seconds.",
            retry_after_seconds=self._limits.retry_after_seconds,
        )

    def _may_look(self, now: float) -> bool:
        if int(now) != self._second:
            self._second, self._lookups = int(now), 0
        self._lookups += 1
        return self._lookups <= self._limits.token_lookups_per_second
