"""What a Hub client names: repository → adapter, revision → the version that may be pulled."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from django.conf import settings

from config.core import clock
from registry.domain.refs import SLUG
from registry.models import Adapter, Version
from registry.selectors import aliases_of, live_version

from .errors import (
    PermissionPaused,
    RepositoryUnknown,
    RevisionNotApproved,
    RevisionUnknown,
    RevisionWithdrawn,
)
from .standing import Judgement, Standing, judge, judge_one

MAIN = "main"
COMMIT = re.compile(r"[0-9a-f]{40}")
_REASON_LETTERS = 300
_HOW_THEY_ARE_NAMED = (
    "Repositories are namespace/slug, default/slug where an adapter has no namespace; "
    "GET /api/models lists them."
)


@dataclass(frozen=True)
class Ref:
    """A branch or a tag that can be pulled now."""

    name: str
    version: Version


@dataclass(frozen=True)
class Refs:
    """``branches``: main and the aliases; ``tags``: the versions' names."""

    branches: tuple[Ref, ...]
    tags: tuple[Ref, ...]


def repository(namespace: str, repo: str) -> Adapter:
    """The adapter ``namespace:repo``.

    Raises:
        RepositoryUnknown: there is none.
    """
    found = None
    if SLUG.fullmatch(namespace) and SLUG.fullmatch(repo):
        rows = Adapter.objects.select_related("base_model")
        found = rows.filter(namespace=namespace, slug=repo).first()
    if found is None:
        raise RepositoryUnknown(
            f"There is no adapter {namespace[:80]}/{repo[:80]}.", fix=_HOW_THEY_ARE_NAMED
        )
    return found


def nameless(repo: str) -> RepositoryUnknown:
    """The refusal of a repository that is asked for without its namespace."""
    return RepositoryUnknown(
        f"There is no repository {repo[:80]} without a namespace.", fix=_HOW_THEY_ARE_NAMED
    )


def pullable(adapter: Adapter, revision: str) -> Version:
    """The version that ``revision`` names, if it may be handed out now.

    ``main`` is the live version and never the newest; other branches are aliases, tags are the
    versions' names, and 40 hex digits are one version for ever.

    Raises:
        RevisionUnknown: nothing has this name, or nothing is live.
        RevisionWithdrawn: it was stopped, or is not permitted any more.
        RevisionNotApproved: it was never approved.
        PermissionPaused: its permission is not renewed at the moment.
        Unavailable: the list of stops can't be read.
    """
    version = _named(adapter, revision)
    if version is None:
        raise _unknown(adapter, revision)
    judged = judge_one(version)
    if judged.standing is not Standing.READY:
        raise _refusal(adapter, revision, version, judged)
    return version


def ready_versions(adapter: Adapter) -> list[Version]:
    """Every version of the adapter that may be handed out now, newest first."""
    versions = list(Version.objects.filter(adapter=adapter).select_related("submitted_by"))
    judged = judge(versions)
    return [row for row in versions if judged[row.pk].standing is Standing.READY]


def refs_of(adapter: Adapter) -> Refs:
    """The branches and tags that can be pulled now; what is refused is not listed.

    Raises:
        RevisionNotApproved: the adapter has no version that was ever approved.
    """
    ready: Mapping[int, Version] = {row.pk: row for row in ready_versions(adapter)}
    if not ready and not _was_ever_permitted(adapter):
        raise _nothing_approved(adapter)
    live = live_version(adapter)
    branches = [Ref(MAIN, ready[live.pk])] if live is not None and live.pk in ready else []
    branches += [
        Ref(alias.name, ready[alias.version_id])
        for alias in sorted(aliases_of(adapter), key=lambda alias: alias.name)
        if alias.version_id in ready
    ]
    tags = [Ref(row.version_name, row) for row in ready.values()]
    return Refs(tuple(branches), tuple(tags))


def _named(adapter: Adapter, revision: str) -> Version | None:
    versions = Version.objects.filter(adapter=adapter).select_related("submitted_by")
    if COMMIT.fullmatch(revision):
        found = list(versions.filter(commit_id=revision)[:2])
        # SHA-1 names a version, it proves nothing: two of one name would be none.
        return found[0] if len(found) == 1 else None
    if revision == MAIN:
        live = live_version(adapter)
        return versions.filter(pk=live.pk).first() if live is not None else None
    named = versions.filter(version_name=revision).first()
    if named is not None:
        return named
    return versions.filter(
        pk__in=aliases_of(adapter).filter(name=revision).values("version")
    ).first()


def _was_ever_permitted(adapter: Adapter) -> bool:
    judged = judge(Version.objects.filter(adapter=adapter)).values()
    return any(row.standing is not Standing.UNAPPROVED for row in judged)


def _unknown(adapter: Adapter, revision: str) -> Exception:
    known = [row.version_name for row in ready_versions(adapter)[:10]]
    fix = f"Approved are: {', '.join(known)}." if known else ""
    if revision != MAIN:
        return RevisionUnknown(
            f"{adapter.namespace}/{adapter.slug} has no revision {revision[:80]!r}.",
            fix=fix or "Nothing of it is approved at the moment.",
        )
    if not known and not _was_ever_permitted(adapter):
        return _nothing_approved(adapter)
    return RevisionUnknown(
        f"Nothing of {adapter.namespace}/{adapter.slug} is live: main names the version that a "
        "deployment serves, never the newest.",
        fix=f"Name a version as revision. {fix}".strip(),
    )


def _nothing_approved(adapter: Adapter) -> RevisionNotApproved:
    return RevisionNotApproved(
        f"No version of {adapter.namespace}/{adapter.slug} is approved yet.",
        fix="A version can be pulled once its record is signed.",
    )


def _refusal(adapter: Adapter, revision: str, version: Version, judged: Judgement) -> Exception:
    name = f"{adapter.namespace}/{adapter.slug} {version.version_name} ({version.short_digest})"
    if judged.standing is Standing.UNAPPROVED:
        return RevisionNotApproved(
            f"{name} is not approved.",
            fix="It can be pulled once its record is signed; its page in the console says what is "
            "missing.",
        )
    if judged.standing is Standing.PAUSED:
        return PermissionPaused(
            f"The permission of {name} is not renewed at the moment.",
            fix="Try again in a minute; if it stays so, its integrity check failed or the control "
            "process is away.",
            retry_after_seconds=settings.LEASE_RENEW_SECONDS,
        )
    verb = "is held" if judged.standing is Standing.HELD else "was withdrawn"
    since = f" on {clock.isoformat(judged.at)[:16]}Z" if judged.at else ""
    reason = f": {judged.reason[:_REASON_LETTERS].rstrip('. ')}" if judged.reason else ""
    return RevisionWithdrawn(
        f"{name} {verb}{since}{reason}.",
        fix="Don't use copies of it: unload them and delete them from caches.",
    )
