"""Composes prompts from the prompt set and keeps what each was made with."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from django.conf import settings
from django.db import transaction

from compliance.services import audit
from config.core import keys
from config.core.actors import Actor
from deliveries.domain.composing import Candidate, Composed, NullOrdinal, choose
from deliveries.domain.composition_formats import Format, Rendered, render
from deliveries.domain.token_format import TokenFormat
from deliveries.models import Composition, DeliveryJob, LoraEntry, Validation
from deliveries.selectors.eligibility import left_out
from deliveries.selectors.entries import in_prompt_set
from deliveries.services import delivery_jobs


@dataclass(frozen=True, slots=True)
class ComposedPrompt:
    """A prompt, possibly a patient's text, and what stands behind it."""

    composition: Composition
    prompt: str = field(repr=False)
    request: Mapping[str, Any] | None = field(repr=False)
    job: DeliveryJob | None


def compose(
    *,
    prefix: str = "",
    suffix: str = "",
    namespace: str = "",
    form: Format = Format.TOKENS,
    delivery: Mapping[str, Any] | None = None,
    actor: Actor,
) -> ComposedPrompt:
    """Compose what is in the prompt set, freeze what it was made with, and deliver it if asked.

    ``delivery`` holds ``mode`` and what the mode needs; the whole of it becomes the job's
    parameters. The prompt itself is kept by the job alone, encrypted.

    Raises:
        DomainError: the delivery can't be taken; then nothing is kept.
    """
    entries = {str(entry.uuid): entry for entry in in_prompt_set(namespace)}
    composed = choose(
        _candidates(entries),
        null_ordinal=NullOrdinal(settings.COMPOSE_NULL_ORDINAL),
        token_format=TokenFormat.parse(settings.COMPOSE_TOKEN_FORMAT),
    )
    rendered = render(composed, prefix=prefix, suffix=suffix, form=form)
    with transaction.atomic():
        composition = _freeze(composed, rendered, entries, namespace, form, actor)
        job = None
        if delivery is not None:
            job = delivery_jobs.enqueue(
                actor=actor,
                prompt=rendered.prompt,
                mode=str(delivery["mode"]),
                params=dict(delivery),
                composition=composition,
            )
    return ComposedPrompt(composition, rendered.prompt, rendered.request, job)


def prompt_mac(prompt: str) -> str:
    """What a composition keeps of its prompt: enough to recognise it, nothing to read it by."""
    return keys.keyed_hash("composed-prompt", prompt.encode()).hex()


def _candidates(entries: Mapping[str, LoraEntry]) -> list[Candidate]:
    why = left_out(entry.sha256 for entry in entries.values())
    return [
        Candidate(
            id=key,
            name=entry.name,
            weight=entry.weight,
            ordinal=entry.ordinal,
            left_out=why.get(entry.sha256, ""),
        )
        for key, entry in entries.items()
    ]


def _freeze(
    composed: Composed,
    rendered: Rendered,
    entries: Mapping[str, LoraEntry],
    namespace: str,
    form: Format,
    actor: Actor,
) -> Composition:
    warnings = [*rendered.warnings, *_file_warnings(composed, entries)]
    composition = Composition.objects.create(
        composed_by=actor.name,
        namespace=namespace,
        format=form,
        token_format=settings.COMPOSE_TOKEN_FORMAT,
        null_ordinal=settings.COMPOSE_NULL_ORDINAL,
        adapters=[_frozen(entries[each.candidate.id], each.token) for each in composed.chosen],
        tokens=composed.tokens,
        warnings=warnings,
        prompt_mac=prompt_mac(rendered.prompt),
        prompt_length=len(rendered.prompt),
    )
    audit.record(
        action="prompt.composed",
        actor=actor,
        object_type="composition",
        object_id=str(composition.uuid),
        diff={
            "tokens": [None, composition.tokens],
            "format": [None, str(form)],
            "warnings": [None, len(warnings)],
            "prompt_mac": [None, composition.prompt_mac],
        },
    )
    return composition


def _frozen(entry: LoraEntry, token: str) -> dict[str, Any]:
    return {
        "id": str(entry.uuid),
        "namespace": entry.namespace,
        "name": entry.name,
        "version": entry.version,
        "weight": entry.weight,
        "ordinal": entry.ordinal,
        "sha256": entry.sha256 or None,
        "token": token,
    }


def _file_warnings(composed: Composed, entries: Mapping[str, LoraEntry]) -> list[str]:
    return [
        f'"{each.candidate.name}": {entries[each.candidate.id].validation_detail}'
        for each in composed.chosen
        if entries[each.candidate.id].validation == Validation.INVALID
    ]
