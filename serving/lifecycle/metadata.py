"""Adapters and versions as the medical system describes them, and what the registry takes of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from config.core import clock
from registry.domain.refs import AdapterRef, parse_adapter_ref
from registry.models import BaseModel
from serving.lifecycle.enums import LOADABLE, MEDICAL, AdapterType
from serving.lifecycle.errors import MetadataInvalid

FLAGS = {
    "hipaa_compliant": "hipaa_compliant",
    "hipaa": "hipaa_compliant",
    "validated": "validated",
    "clinically_validated": "validated",
    "phi_protected": "phi_protected",
    "phi_protection": "phi_protected",
}
"""Spelling → the one that is kept."""


@dataclass(frozen=True, kw_only=True)
class AdapterMetadata:
    """What a program says of an adapter.

    The words describe it in the registry. ``safety_score``, ``test_coverage`` (0 to 1),
    ``compliance_flags`` and ``validation_status`` are kept as said and open no gate.
    ``safety_class``: IEC 62304's, A to C; it decides by which limits versions are judged.
    """

    adapter_id: str
    name: str
    description: str = ""
    adapter_type: AdapterType = AdapterType.LORA
    medical_domain: str = ""
    clinical_use_case: str = ""
    safety_score: float | None = None
    compliance_flags: Sequence[str] = field(default_factory=tuple)
    validation_status: str | None = None
    test_coverage: float | None = None
    compatible_models: Sequence[str] = field(default_factory=tuple)
    safety_class: str = "C"


@dataclass(frozen=True, kw_only=True)
class AdapterVersion:
    """What a program says of a version; ``version_id`` is its name, unique within its adapter.

    ``created_at`` and ``created_by`` are kept as said; who submitted it and when, the registry
    writes itself.
    """

    version_id: str
    version: str = ""
    adapter_type: AdapterType = AdapterType.LORA
    base_model_id: str = ""
    created_at: datetime | None = None
    created_by: str = ""
    description: str = ""
    tags: Sequence[str] = field(default_factory=tuple)


def create_adapter_metadata(adapter_id: str, name: str, **values: Any) -> AdapterMetadata:
    """Metadata, checked at once; ``values`` are the fields of ``AdapterMetadata``.

    Raises:
        MetadataInvalid: naming the field.
    """
    metadata = AdapterMetadata(adapter_id=adapter_id, name=name, **values)
    check_metadata(metadata)
    return metadata


def ref_of(adapter_id: str) -> AdapterRef:
    """The registry's reference: an underscore is a hyphen there, capitals are small letters.

    Raises:
        RefInvalid: it can't be one.
    """
    return parse_adapter_ref(adapter_id.lower().replace("_", "-"))


def public_name_of(adapter_id: str) -> str:
    """The name under which a loaded adapter answers: its id, ``namespace--slug`` for others."""
    return adapter_id.replace(":", "--")


def check_metadata(metadata: AdapterMetadata) -> None:
    """Refuse what nodes can't load, and what contradicts itself.

    Raises:
        MetadataInvalid, RefInvalid: naming the field.
    """
    ref_of(metadata.adapter_id)
    _check_type(metadata.adapter_type)
    if metadata.adapter_type in MEDICAL:
        for name in ("medical_domain", "clinical_use_case"):
            if not str(getattr(metadata, name)).strip():
                raise MetadataInvalid(
                    f"{name} is empty; {metadata.adapter_type} adapters have a clinical use.",
                    fix=f"Say it, or use {AdapterType.LORA}.",
                )
    for name in ("safety_score", "test_coverage"):
        value = getattr(metadata, name)
        is_share = isinstance(value, int | float) and not isinstance(value, bool)
        if value is not None and not (is_share and 0 <= value <= 1):
            raise MetadataInvalid(f"{name}={value!r} is no share.", fix="Give 0 to 1, or None.")
    unknown = sorted(set(metadata.compliance_flags) - set(FLAGS))
    if unknown:
        raise MetadataInvalid(
            f"compliance_flags: {unknown[0][:60]!r} is unknown.",
            fix=f"Known are {', '.join(sorted(set(FLAGS.values())))}.",
        )


def check_fits(metadata: AdapterMetadata, base: BaseModel) -> None:
    """Refuse an adapter that is said to fit other models only.

    Raises:
        MetadataInvalid: naming them.
    """
    names = {base.slug, *base.declared_names}
    if metadata.compatible_models and not names & set(metadata.compatible_models):
        raise MetadataInvalid(
            f"compatible_models leaves out {base.slug}, the base of this lifecycle manager.",
            fix="Add it, or use a manager of another base.",
        )


def check_version(version: AdapterVersion, *, adapter_type: str, base: BaseModel) -> None:
    """Refuse a version that contradicts its adapter, or has two names.

    Raises:
        MetadataInvalid: naming the field.
    """
    if version.version and version.version_id not in {version.version, f"v{version.version}"}:
        raise MetadataInvalid(
            f"version={version.version!r} and version_id={version.version_id!r} differ.",
            fix="A version has one name; write v1.0.0 and 1.0.0, or leave version out.",
        )
    if version.adapter_type != adapter_type:
        raise MetadataInvalid(
            f"adapter_type: the adapter is {adapter_type}, the version {version.adapter_type}.",
            fix="Use the adapter's, or add the version to another adapter.",
        )
    if version.base_model_id and version.base_model_id not in {base.slug, *base.declared_names}:
        raise MetadataInvalid(
            f"base_model_id: the adapter is made for {base.slug}.",
            fix="Name it so, or add the version to another adapter.",
        )
    if version.created_at is not None and version.created_at.tzinfo is None:
        raise MetadataInvalid(
            "created_at has no time zone.", fix="Give datetime.now(timezone.utc) or the like."
        )


def described(metadata: AdapterMetadata) -> dict[str, Any]:
    """The registry's descriptive fields."""
    return {
        "name": metadata.name,
        "description": metadata.description,
        "medical_domain": metadata.medical_domain,
        "clinical_use_case": metadata.clinical_use_case,
    }


def stated(metadata: AdapterMetadata) -> dict[str, Any]:
    """What is kept as said; an empty field says nothing and leaves what was said before."""
    values: dict[str, Any] = {
        "adapter_id": metadata.adapter_id,
        "safety_score": metadata.safety_score,
        "compliance_flags": list(dict.fromkeys(FLAGS[flag] for flag in metadata.compliance_flags)),
        "validation_status": metadata.validation_status,
        "test_coverage": metadata.test_coverage,
        "compatible_models": list(metadata.compatible_models),
    }
    return {key: value for key, value in values.items() if value not in (None, [])}


def stated_of(version: AdapterVersion) -> dict[str, Any]:
    """What is kept as said of a version."""
    at = version.created_at
    values: dict[str, Any] = {
        "version": version.version,
        "created_at": clock.isoformat(at.astimezone(UTC)) if at is not None else None,
        "created_by": version.created_by,
        "tags": list(version.tags),
    }
    return {key: value for key, value in values.items() if value not in (None, "", [])}


def metadata_from(row: Any, said: Mapping[str, Any]) -> AdapterMetadata:
    """An adapter's row and what was said of it, as metadata."""
    return AdapterMetadata(
        adapter_id=str(said.get("adapter_id") or row.ref),
        name=row.name,
        description=row.description,
        adapter_type=_type_of(row.adapter_type),
        medical_domain=row.medical_domain,
        clinical_use_case=row.clinical_use_case,
        safety_score=said.get("safety_score"),
        compliance_flags=tuple(said.get("compliance_flags") or ()),
        validation_status=said.get("validation_status"),
        test_coverage=said.get("test_coverage"),
        compatible_models=tuple(said.get("compatible_models") or ()),
        safety_class=str(row.safety_class),
    )


def version_from(row: Any, said: Mapping[str, Any]) -> AdapterVersion:
    """A version's row and what was said of it; who and when by the registry where nobody said."""
    at = said.get("created_at")
    return AdapterVersion(
        version_id=row.version_name,
        version=str(said.get("version") or row.version_name.removeprefix("v")),
        adapter_type=_type_of(row.adapter.adapter_type),
        base_model_id=row.adapter.base_model.slug,
        created_at=datetime.fromisoformat(at) if at else row.submitted_at,
        created_by=str(said.get("created_by") or row.submitted_by.get_username()),
        description=row.notes,
        tags=tuple(said.get("tags") or ()),
    )


def _check_type(value: str) -> None:
    if value not in LOADABLE:
        raise MetadataInvalid(
            f"adapter_type={str(value)[:40]!r}: nodes load no such adapters.",
            fix=f"They load {', '.join(str(kind) for kind in LOADABLE)}.",
        )


def _type_of(text: str) -> AdapterType:
    """The type of a row; one that another door wrote in its own words is a plain LoRA."""
    try:
        return AdapterType(text)
    except ValueError:
        return AdapterType.LORA
