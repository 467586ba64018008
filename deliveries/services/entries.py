"""Writes the LoRA manager's entries: register, change, activate, deactivate, delete."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from django.conf import settings
from django.db import IntegrityError, transaction

from compliance.services import audit
from config.accounts.models import User
from config.core import clock
from config.core.actors import Actor
from deliveries.domain.entry_values import clean_tags
from deliveries.manager_errors import EntryNameTaken, EntryNotFound
from deliveries.models import EntryTag, LoraEntry, Validation
from deliveries.services import entry_checks, files, metadata, settling
from deliveries.services.settling import OBJECT_TYPE

# Value → column, where they are not called the same.
_COLUMNS = {"active": "is_compose_active", "preview_url": "preview_uri"}
# What an outside validator is told: it is asked again when one of them changes.
_TOLD = frozenset({"name", "file_path", "tags", "preview_url"})


def register(
    *, values: Mapping[str, Any], metadata_uri: str = "", user: User | None, actor: Actor
) -> LoraEntry:
    """Register the file that ``values["file_path"]`` names, or that the document describes.

    ``values`` holds fields of ``entry_checks.CHANGEABLE``; what the document at ``metadata_uri``
    says counts where they say nothing. The file is looked at first; a large one is hashed
    afterwards and the entry is ``pending`` until then.

    Raises:
        EntryInvalid: a field can't hold what was given, or name or file is missing.
        EntryNameTaken: the namespace has the name.
        FilePathRefused: the file is outside what is allowed, or not there.
        MetadataRefused: the document is unreadable or contradicts the file.
        StoreAway: the object store does not answer.
    """
    wanted = entry_checks.said(values)
    said = metadata.read(metadata_uri) if metadata_uri else None
    if said is not None:
        given = {"name": said.name, "file_path": said.file_path, "tags": list(said.tags)}
        wanted = {field: value for field, value in given.items() if value} | wanted
    entry_checks.refuse_faults(wanted, required=("name", "file_path"))
    entry_checks.refuse_preview(wanted)
    at_once = None if said is not None and said.sha256 else settings.LORA_HASH_AT_ONCE_BYTES
    facts = files.look(wanted["file_path"], hash_up_to_bytes=at_once)
    if said is not None:
        entry_checks.refuse_contradiction(said, facts)
    entry = LoraEntry(
        **_columns(wanted),
        metadata_uri=metadata_uri,
        sha256=facts.sha256,
        size_bytes=facts.size_bytes,
        validation=settling.judgement_of(facts),
        created_by=user,
    )
    entry.updated_at = entry.created_at
    with _name_taken(entry), transaction.atomic():
        entry.save(force_insert=True)
        _write_tags(entry, wanted.get("tags", ()))
        shown = ("namespace", "name", "version", "file_path", "weight", "sha256", "ordinal")
        _audit(
            entry,
            "entry.created",
            actor,
            {field: [None, getattr(entry, field)] for field in shown}
            | {"active": [None, entry.is_compose_active], "tags": [None, list(entry.tags)]},
        )
        settling.nudge_on_commit(entry.pk)
    return entry


def change(*, entry: LoraEntry, values: Mapping[str, Any], actor: Actor) -> LoraEntry:
    """Change the fields that are given; a new file is looked at first.

    Raises:
        EntryInvalid: a field can't be changed, or can't hold what was given.
        EntryNotFound: the entry was deleted meanwhile.
        EntryNameTaken, FilePathRefused, StoreAway: as ``register``.
    """
    entry_checks.refuse_foreign(values)
    entry_checks.refuse_faults(values)
    wanted = entry_checks.said(values)
    entry_checks.refuse_preview(wanted)
    facts = None
    if wanted.get("file_path", entry.file_path) != entry.file_path:
        facts = files.look(wanted["file_path"], hash_up_to_bytes=settings.LORA_HASH_AT_ONCE_BYTES)
    columns = _columns(wanted)
    if settings.CIVITAI_VALIDATE_URL and _TOLD & set(wanted):
        columns["validation"] = Validation.PENDING
    if facts is not None:
        columns |= {
            "sha256": facts.sha256,
            "size_bytes": facts.size_bytes,
            "validation": settling.judgement_of(facts),
            "validation_detail": "",
        }
    return _update(entry, columns, wanted.get("tags"), "entry.changed", actor)


def activate(*, entry: LoraEntry, ordinal: int | None = None, actor: Actor) -> LoraEntry:
    """Put the entry into the prompt set, at ``ordinal`` where one is given; again does no harm.

    Raises:
        EntryInvalid: the ordinal is out of range.
        EntryNotFound: the entry was deleted meanwhile.
    """
    entry_checks.refuse_faults({"ordinal": ordinal})
    columns = {"is_compose_active": True} | ({} if ordinal is None else {"ordinal": ordinal})
    return _update(entry, columns, None, "entry.activated", actor)


def deactivate(*, entry: LoraEntry, actor: Actor) -> LoraEntry:
    """Take the entry out of the prompt set; its ordinal stays, and again does no harm.

    Raises:
        EntryNotFound: the entry was deleted meanwhile.
    """
    return _update(entry, {"is_compose_active": False}, None, "entry.deactivated", actor)


def delete(*, entry: LoraEntry, actor: Actor) -> None:
    """Delete the entry: its name is free, its row stays as a tombstone, its mirror goes.

    The file is never touched.

    Raises:
        EntryNotFound: it was deleted already.
    """
    with transaction.atomic():
        row = _locked(entry)
        row.deleted_at = row.updated_at = clock.now()
        was_active, row.is_compose_active = row.is_compose_active, False
        row.revision += 1
        row.save(update_fields=["deleted_at", "updated_at", "is_compose_active", "revision"])
        _audit(
            row, "entry.deleted", actor, {"name": [row.name, None], "active": [was_active, None]}
        )
        settling.nudge_on_commit(row.pk)


def look_again(*, entry: LoraEntry, actor: Actor) -> LoraEntry:
    """Hash the file anew and write down what changed on the disk or in the store.

    Raises:
        FilePathRefused, StoreAway: the file is gone; the store does not answer.
        EntryNotFound: the entry was deleted meanwhile.
    """
    facts = files.look(entry.file_path)
    if (facts.sha256, facts.size_bytes) == (entry.sha256, entry.size_bytes):
        return entry
    columns = {
        "sha256": facts.sha256,
        "size_bytes": facts.size_bytes,
        "validation": settling.judgement_of(facts),
        "validation_detail": "",
    }
    return _update(entry, columns, None, "entry.changed", actor)


def require_file(entry: LoraEntry) -> None:
    """Look whether the entry's file is there and may be read; nothing is written.

    Raises:
        FilePathRefused, StoreAway: it is not; the store does not answer.
    """
    files.look(entry.file_path, hash_up_to_bytes=0)


def _update(
    entry: LoraEntry,
    columns: Mapping[str, Any],
    tags: list[str] | None,
    action: str,
    actor: Actor,
) -> LoraEntry:
    """Write what differs under a lock on the row; nothing is written where nothing does."""
    with _name_taken(entry, columns), transaction.atomic():
        row = _locked(entry)
        diff = {
            field: [getattr(row, field), value]
            for field, value in columns.items()
            if getattr(row, field) != value
        }
        for field, (_, value) in diff.items():
            setattr(row, field, value)
        if tags is not None and clean_tags(tags) != row.tags:
            diff["tags"] = [row.tags, clean_tags(tags)]
            _write_tags(row, tags)
        if diff:
            row.updated_at, row.revision = clock.now(), row.revision + 1
            row.save(update_fields=[*(set(diff) - {"tags"}), "updated_at", "revision"])
            _audit(row, action, actor, diff)
            settling.nudge_on_commit(row.pk)
    return row


def _locked(entry: LoraEntry) -> LoraEntry:
    row = (
        LoraEntry.objects.select_for_update(no_key=True)
        .filter(pk=entry.pk, deleted_at=None)
        .first()
    )
    if row is None:
        raise EntryNotFound(f"There is no adapter {entry.uuid}.", fix="GET /adapters lists them.")
    return row


def _columns(wanted: Mapping[str, Any]) -> dict[str, Any]:
    return {_COLUMNS.get(field, field): value for field, value in wanted.items() if field != "tags"}


def _write_tags(entry: LoraEntry, tags: Any) -> None:
    EntryTag.objects.filter(entry=entry).delete()
    EntryTag.objects.bulk_create(
        EntryTag(entry=entry, position=position, tag=tag)
        for position, tag in enumerate(clean_tags(tags))
    )


@contextmanager
def _name_taken(entry: LoraEntry, columns: Mapping[str, Any] | None = None) -> Iterator[None]:
    try:
        yield
    except IntegrityError as error:
        name = (columns or {}).get("name", entry.name)
        raise EntryNameTaken(
            "The adapter name must be unique in its namespace.",
            fix="Choose another name, or change the entry that has it.",
            errors=[{"pointer": "/name", "message": f"{name} is taken."}],
        ) from error


def _audit(entry: LoraEntry, action: str, actor: Actor, diff: Mapping[str, Any]) -> None:
    audit.record(
        action=action,
        actor=actor,
        object_type=OBJECT_TYPE,
        object_id=str(entry.uuid),
        object_rev=str(entry.revision),
        diff=diff,
    )
