"""Moves aliases by compare-and-set, with history."""

from django.db import transaction

from config.core import clock
from config.core.actors import Actor
from config.core.events import publish
from registry.domain.refs import RESERVED_NAMES, SLUG, is_digest_like
from registry.errors import AliasMovedMeanwhile, AliasProtected
from registry.events import AliasMoved
from registry.models import Adapter, Alias, AliasMove, Version
from registry.selectors import LIVE


def move(
    *,
    adapter: Adapter,
    name: str,
    to: Version,
    expected: Version | None,
    actor: Actor,
    reason: str = "",
    is_protected: bool = False,
    by_serving: bool = False,
) -> Alias:
    """Let ``name`` mean ``to``, if it means ``expected`` now (None: it is not there yet).

    An alias that means ``to`` already is left as it is, so that a step can be repeated.

    Raises:
        AliasProtected: it is moved by serving alone, or the name can't be an alias.
        AliasMovedMeanwhile: it means something else than ``expected``.
    """
    _check_name(name, by_serving=by_serving)
    if to.adapter_id != adapter.pk:
        raise AliasProtected(
            f"{to} is no version of {adapter.ref}.", fix="Aliases stay inside one adapter."
        )
    with transaction.atomic():
        Adapter.objects.select_for_update(no_key=True).get(pk=adapter.pk)
        alias = Alias.objects.select_related("version").filter(adapter=adapter, name=name).first()
        if alias is not None and alias.is_protected and not by_serving:
            raise _protected(name)
        if alias is not None and alias.version_id == to.pk:
            return alias
        current = alias.version if alias is not None else None
        _check_expected(adapter, name, current, expected)
        if alias is None:
            _refuse_version_name(adapter, name)
            alias = Alias(adapter=adapter, name=name, is_protected=is_protected or name == LIVE)
        alias.version = to
        alias.moved_at = clock.now()
        alias.save()
        AliasMove.objects.create(
            adapter=adapter,
            name=name,
            from_version=current,
            to_version=to,
            moved_by=actor.name,
            reason=reason,
            moved_at=alias.moved_at,
        )
        publish(
            AliasMoved(
                actor=actor,
                object_type="adapter",
                object_id=str(adapter.uuid),
                object_rev=to.digest,
                adapter_id=adapter.pk,
                reason=reason,
                diff={name: [current.runtime_name if current else None, to.runtime_name]},
            )
        )
    return alias


def _check_name(name: str, *, by_serving: bool) -> None:
    if name == LIVE and not by_serving:
        raise _protected(name)
    if name != LIVE and name in RESERVED_NAMES:
        raise AliasProtected(
            f"{name!r} has a fixed meaning and can't be an alias.", fix="Choose another name."
        )
    if not SLUG.fullmatch(name) or is_digest_like(name):
        raise AliasProtected(
            f"{name[:80]!r} can't be an alias.",
            fix="Use lower-case letters, digits and hyphens; not only hex digits.",
        )


def _protected(name: str) -> AliasProtected:
    return AliasProtected(
        f"The alias {name!r} follows what is deployed and can't be moved by hand.",
        fix="Start a rollout or a rollback; it moves the alias.",
    )


def _check_expected(
    adapter: Adapter, name: str, current: Version | None, expected: Version | None
) -> None:
    if (current.pk if current else None) == (expected.pk if expected else None):
        return
    now = current.version_name if current else "nothing"
    wanted = expected.version_name if expected else "nothing"
    raise AliasMovedMeanwhile(
        f"{adapter.ref}@{name} names {now}, not {wanted}.",
        fix="Look at it again; if you still want it, repeat with expected set to what it names.",
    )


def _refuse_version_name(adapter: Adapter, name: str) -> None:
    if Version.objects.filter(adapter=adapter, version_name=name).exists():
        raise AliasProtected(
            f"{adapter.ref} has a version called {name!r}.", fix="Choose another alias."
        )
