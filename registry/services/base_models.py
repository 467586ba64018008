"""Registers base models."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from django.db import IntegrityError, transaction

from config.core import clock
from config.core.actors import Actor
from config.core.events import publish
from registry.domain.base_folder import BaseFacts, base_facts
from registry.domain.refs import SLUG
from registry.errors import BaseModelConflict
from registry.events import BaseModelRegistered
from registry.models import BaseModel


def register(
    *,
    folder: Path,
    slug: str,
    declared_names: Sequence[str],
    revision: str = "",
    licence: str = "",
    actor: Actor,
) -> BaseModel:
    """Register the base model in ``folder`` under ``slug``, with the names adapters may declare.

    The same bytes under the same slug again add names and follow the folder.

    Raises:
        BaseFolderInvalid: the folder holds no base model.
        BaseModelConflict: the slug has other bytes, the bytes another slug, or a name is another's.
    """
    if not SLUG.fullmatch(slug):
        raise BaseModelConflict(
            f"{slug!r} can't be a slug.", fix="Use lower-case letters, digits and hyphens."
        )
    folder = folder.resolve()
    facts = base_facts(folder)
    try:
        with transaction.atomic():
            return _write(
                facts=facts,
                folder=folder,
                slug=slug,
                names=list(dict.fromkeys([slug, *declared_names, str(folder)])),
                revision=revision,
                licence=licence,
                actor=actor,
            )
    except IntegrityError as error:
        raise BaseModelConflict(
            f"{slug!r} was registered by somebody else at this moment.", fix="Try again."
        ) from error


def _write(
    *,
    facts: BaseFacts,
    folder: Path,
    slug: str,
    names: list[str],
    revision: str,
    licence: str,
    actor: Actor,
) -> BaseModel:
    rows = list(BaseModel.objects.select_for_update(no_key=True).order_by("pk"))
    found = next((row for row in rows if row.slug == slug), None)
    _refuse_conflicts(rows, found, slug, facts.digest, names)
    before: list[Any] | None = None
    if found is None:
        found = BaseModel(slug=slug, digest=facts.digest, registered_by=actor.name)
    else:
        before = [found.folder, list(found.declared_names), found.revision, found.licence]
        kept = [name for name in found.declared_names if name != found.folder]
        names = list(dict.fromkeys([*kept, *names]))
    found.folder = str(folder)
    found.declared_names = names
    found.revision = revision or found.revision
    found.licence = licence or found.licence
    found.facts = facts.as_json()
    after = [found.folder, names, found.revision, found.licence]
    if before == after:
        return found
    if before is None:
        found.registered_at = clock.now()
    found.save()
    fields = ("folder", "declared_names", "revision", "licence")
    old: list[Any] = before if before is not None else [None] * len(fields)
    publish(
        BaseModelRegistered(
            actor=actor,
            object_type="base_model",
            object_id=str(found.uuid),
            object_rev=found.digest,
            diff={
                field: [was, now]
                for field, was, now in zip(fields, old, after, strict=True)
                if was != now
            },
        )
    )
    return found


def _refuse_conflicts(
    rows: list[BaseModel], found: BaseModel | None, slug: str, digest: str, names: list[str]
) -> None:
    if found is not None and found.digest != digest:
        raise BaseModelConflict(
            f"{slug!r} is registered with the digest {found.digest[:12]}; this folder has "
            f"{digest[:12]}.",
            fix="Adapters were checked against the registered bytes. Register these under another "
            "slug, or bring the former folder back.",
        )
    for row in rows:
        if row is found:
            continue
        if row.digest == digest:
            raise BaseModelConflict(
                f"These bytes are registered as {row.slug!r} already.",
                fix=f"Use {row.slug!r}, or add names to it with --slug {row.slug} --name ….",
            )
        if taken := sorted(set(row.declared_names) & set(names)):
            raise BaseModelConflict(
                f"{', '.join(taken)} names the base model {row.slug!r} already.",
                fix="A declared name must mean one base only: leave it out.",
            )
