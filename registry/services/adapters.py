"""Opens adapters and changes what describes them."""

from collections.abc import Mapping, Sequence
from typing import Any

from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction

from config.accounts.models import User
from config.core.actors import Actor
from config.core.events import publish
from registry.domain.refs import RESERVED_NAMESPACES, looks_like_uuid
from registry.errors import AdapterExists, AdapterInvalid
from registry.events import AdapterChanged, AdapterCreated
from registry.models import Adapter, BaseModel

DESCRIPTIVE_FIELDS = ("name", "description", "medical_domain", "clinical_use_case", "tags")
MAX_TAGS = 30


def create(
    *,
    slug: str,
    name: str,
    base_model: BaseModel,
    owner: User,
    namespace: str = "default",
    safety_class: str = "C",
    description: str = "",
    adapter_type: str = "medical_lora",
    medical_domain: str = "",
    clinical_use_case: str = "",
    tags: Sequence[str] = (),
    actor: Actor,
) -> Adapter:
    """Open a named line of versions for ``base_model``.

    Raises:
        AdapterInvalid: a field is malformed.
        AdapterExists: the namespace and slug are taken.
    """
    adapter = Adapter(
        namespace=namespace,
        slug=slug,
        name=name,
        description=description,
        adapter_type=adapter_type,
        medical_domain=medical_domain,
        clinical_use_case=clinical_use_case,
        tags=_clean_tags(tags),
        safety_class=safety_class,
        base_model=base_model,
        owner=owner,
    )
    _refuse_ambiguous_names({"slug": slug, "namespace": namespace, "name": name})
    _clean(adapter)
    try:
        with transaction.atomic():
            adapter.save(force_insert=True)
            publish(
                AdapterCreated(
                    actor=actor,
                    object_type="adapter",
                    object_id=str(adapter.uuid),
                    diff={
                        "ref": [None, adapter.ref],
                        "name": [None, name],
                        "base_model": [None, base_model.slug],
                        "safety_class": [None, str(adapter.safety_class)],
                        "owner": [None, owner.username],
                    },
                )
            )
    except IntegrityError as error:
        raise AdapterExists(
            f"{adapter.ref} exists already.", fix="Choose another slug or submit a version to it."
        ) from error
    return adapter


def change(*, adapter: Adapter, values: Mapping[str, Any], actor: Actor) -> Adapter:
    """Change descriptive fields; what a version was judged by can't be changed here.

    Raises:
        AdapterInvalid: a field is malformed, or is not one of ``DESCRIPTIVE_FIELDS``.
    """
    if foreign := sorted(set(values) - set(DESCRIPTIVE_FIELDS)):
        raise AdapterInvalid(
            f"{', '.join(foreign)} can't be changed.",
            fix=f"Only {', '.join(DESCRIPTIVE_FIELDS)} can be; open another adapter for the rest.",
        )
    with transaction.atomic():
        row = Adapter.objects.select_for_update(no_key=True).get(pk=adapter.pk)
        diff: dict[str, list[Any]] = {}
        for field, value in values.items():
            new = _clean_tags(value) if field == "tags" else value
            if getattr(row, field) != new:
                diff[field] = [getattr(row, field), new]
                setattr(row, field, new)
        if diff:
            _refuse_ambiguous_names({"name": row.name} if "name" in diff else {})
            _clean(row)
            row.save(update_fields=list(diff))
            publish(
                AdapterChanged(
                    actor=actor, object_type="adapter", object_id=str(row.uuid), diff=diff
                )
            )
    return row


def _clean_tags(tags: Sequence[str]) -> list[str]:
    cleaned = list(dict.fromkeys(tag.strip() for tag in tags))
    if len(cleaned) > MAX_TAGS or any(not tag or len(tag) > 50 for tag in cleaned):
        raise AdapterInvalid(
            f"Tags are at most {MAX_TAGS} words of 1 to 50 characters.", fix="Shorten the list."
        )
    return cleaned


def _refuse_ambiguous_names(names: Mapping[str, str]) -> None:
    """Paths tell ids from names by their shape, and doors from namespaces by their words."""
    for field, text in names.items():
        if looks_like_uuid(text):
            raise AdapterInvalid(
                f"The {field} {text!r} looks like a uuid.", fix="Choose one that people can read."
            )
    if names.get("namespace") in RESERVED_NAMESPACES:
        raise AdapterInvalid(
            f"The namespace {names['namespace']!r} is a word that addresses of ours begin with.",
            fix="Choose another one.",
        )


def _clean(adapter: Adapter) -> None:
    try:
        adapter.clean_fields(exclude=["base_model", "owner", "tags"])
    except ValidationError as error:
        raise AdapterInvalid(
            "; ".join(f"{key}: {' '.join(text)}" for key, text in error.message_dict.items()),
            fix="Mend the named fields.",
            errors=[
                {"pointer": f"/{key}", "message": " ".join(text)}
                for key, text in error.message_dict.items()
            ],
        ) from error
