"""What programs say of adapters and versions: kept, shown as said, and opening no gate."""

from datetime import UTC, datetime
from typing import Any

import pytest

from compliance.errors import NotPermitted
from compliance.models import AuditEvent
from config.core.errors import Conflict, Forbidden
from registry.models import Adapter
from serving.lifecycle import (
    AdapterMetadata,
    AdapterType,
    AdapterVersion,
    LifecycleManager,
    create_adapter_metadata,
)
from serving.lifecycle.errors import MetadataInvalid
from tests.factories import accounts
from tests.serving.lifecycle.conftest import LABEL, Clinic

AT = datetime(2026, 3, 1, 9, 30, tzinfo=UTC)


def clinical(base: str, **values: Any) -> AdapterMetadata:
    """The document's clinical adapter, for this test's base."""
    return AdapterMetadata(
        **{
            "adapter_id": "clinical_assistant_v1",
            "name": "Clinical Decision Support",
            "description": "LoRA adapter for clinical decision support",
            "adapter_type": AdapterType.CLINICAL_LORA,
            "medical_domain": "clinical_decision_support",
            "clinical_use_case": "differential_diagnosis",
            "safety_score": 0.85,
            "compliance_flags": ["hipaa_compliant", "clinically_validated", "phi_protection"],
            "validation_status": "validated",
            "test_coverage": 0.92,
            "compatible_models": ["clinical-bert", base],
            **values,
        }
    )


def first_version(base: str, **values: Any) -> AdapterVersion:
    """The document's version of it."""
    return AdapterVersion(
        **{
            "version_id": "v1.0.0",
            "version": "1.0.0",
            "adapter_type": AdapterType.CLINICAL_LORA,
            "base_model_id": base,
            "created_at": AT,
            "created_by": "clinical_ai_team",
            "description": "Initial clinical decision support version",
            "tags": ["clinical", "diagnosis", "validated"],
            **values,
        }
    )


def test_all_that_is_said_of_an_adapter_is_kept_M134_M135_M136_M137_M138_M139_M140_M142_M143_M144(
    clinic: Clinic,
) -> None:
    said = clinical(clinic.desk.base.slug)

    async def story(lifecycle: LifecycleManager) -> Any:
        await lifecycle.register_adapter(said)
        return await lifecycle.registry.get("clinical_assistant_v1")

    kept = clinic.run(story).metadata
    for name in (
        "adapter_id", "name", "description", "adapter_type", "medical_domain",
        "clinical_use_case", "safety_score", "validation_status", "test_coverage",
    ):  # fmt: skip
        assert getattr(kept, name) == getattr(said, name), name
    assert list(kept.compatible_models) == said.compatible_models
    row = Adapter.objects.get(slug="clinical-assistant-v1")
    assert (row.owner, row.adapter_type) == (clinic.user, "clinical_lora")
    for action in ("adapter.created", "self_description.changed"):
        event = AuditEvent.objects.get(action=action, object_id=str(row.uuid))
        assert event.actor_name == clinic.user.username


def test_flags_are_kept_in_one_spelling_M141(clinic: Clinic) -> None:
    async def story(lifecycle: LifecycleManager) -> Any:
        return await lifecycle.register_adapter(clinical(clinic.desk.base.slug))

    flags = clinic.run(story).metadata.compliance_flags
    assert list(flags) == ["hipaa_compliant", "validated", "phi_protected"]
    with pytest.raises(MetadataInvalid, match="compliance_flags: 'approved'"):
        create_adapter_metadata("a", "A", compliance_flags=["approved"])


def test_all_that_is_said_of_a_version_is_kept_M147_M148_M149_M150_M151_M152(
    clinic: Clinic,
) -> None:
    said = first_version(clinic.desk.base.slug)

    async def story(lifecycle: LifecycleManager) -> Any:
        await lifecycle.register_adapter(clinical(clinic.desk.base.slug))
        await lifecycle.registry.add_version(
            "clinical_assistant_v1", said, clinic.package(), label=LABEL
        )
        return (await lifecycle.registry.get("clinical_assistant_v1")).versions

    (kept,) = clinic.run(story)
    for name in (
        "version_id", "version", "adapter_type", "base_model_id", "created_at", "created_by",
        "description",
    ):  # fmt: skip
        assert getattr(kept.said, name) == getattr(said, name), name
    assert kept.said.created_at.tzinfo is UTC
    assert list(kept.said.tags) == said.tags
    # What the registry itself knows stands beside it.
    assert kept.submitted_by == clinic.user.username
    assert kept.submitted_at.year != AT.year or kept.submitted_at != AT
    assert kept.status == "pending"


def test_a_version_s_id_is_unique_within_its_adapter_alone_M145(clinic: Clinic) -> None:
    base = clinic.desk.base.slug

    async def story(lifecycle: LifecycleManager) -> Any:
        for adapter_id in ("clinical_assistant_v1", "another"):
            await lifecycle.register_adapter(clinical(base, adapter_id=adapter_id))
            await lifecycle.registry.add_version(
                adapter_id, first_version(base), clinic.package(), label=LABEL
            )
        with pytest.raises(Conflict, match="has other bytes"):
            await lifecycle.registry.add_version(
                "another", first_version(base), clinic.package(), label=LABEL
            )
        return await lifecycle.registry.list()

    newest, oldest = clinic.run(story)[:2]
    assert (newest.adapter_id, oldest.adapter_id) == ("another", "clinical_assistant_v1")
    assert newest.versions[0].version_id == oldest.versions[0].version_id == "v1.0.0"
    assert newest.versions[0].digest != oldest.versions[0].digest


def test_registering_again_changes_fields_and_wipes_nothing(clinic: Clinic) -> None:
    base = clinic.desk.base.slug

    async def story(lifecycle: LifecycleManager) -> Any:
        first = await lifecycle.register_adapter(clinical(base))
        await lifecycle.register_adapter(
            clinical(base, name="Another name", safety_score=None, test_coverage=0.95)
        )
        with pytest.raises(Conflict, match="type"):
            await lifecycle.register_adapter(clinical(base, adapter_type=AdapterType.MEDICAL_LORA))
        return first, await lifecycle.registry.get("clinical_assistant_v1")

    first, kept = clinic.run(story)
    assert kept.uuid == first.uuid
    assert kept.metadata.name == "Another name"
    assert (kept.metadata.safety_score, kept.metadata.test_coverage) == (0.85, 0.95)
    changed = AuditEvent.objects.filter(action="self_description.changed").order_by("-pk")[0]
    assert '"test_coverage":["0.92","0.95"]' in changed.body
    assert "safety_score" not in changed.body


@pytest.mark.parametrize("kind", [AdapterType.MEDICAL_LORA, AdapterType.CLINICAL_LORA])
def test_both_medical_types_need_their_domain_and_their_use_M153_M154(kind: AdapterType) -> None:
    made = create_adapter_metadata(
        "a", "A", adapter_type=kind, medical_domain="radiology", clinical_use_case="triage"
    )
    assert made.adapter_type == kind
    for missing in ("medical_domain", "clinical_use_case"):
        values = {"medical_domain": "radiology", "clinical_use_case": "triage", missing: " "}
        with pytest.raises(MetadataInvalid, match=missing):
            create_adapter_metadata("a", "A", adapter_type=kind, **values)
    create_adapter_metadata("a", "A", adapter_type=AdapterType.LORA)
    with pytest.raises(MetadataInvalid, match="nodes load no such adapters"):
        create_adapter_metadata("a", "A", adapter_type=AdapterType.ADALORA)


def test_what_contradicts_the_registry_is_refused(clinic: Clinic) -> None:
    base = clinic.desk.base.slug

    async def story(lifecycle: LifecycleManager) -> None:
        with pytest.raises(MetadataInvalid, match="compatible_models"):
            await lifecycle.register_adapter(clinical(base, compatible_models=["medical-llama"]))
        await lifecycle.register_adapter(clinical(base))
        for values, words in (
            ({"version": "2.0.0"}, "differ"),
            ({"adapter_type": AdapterType.LORA}, "adapter_type"),
            ({"base_model_id": "another"}, "base_model_id"),
            ({"created_at": datetime(2026, 1, 1)}, "time zone"),
        ):
            with pytest.raises(MetadataInvalid, match=words):
                await lifecycle.registry.add_version(
                    "clinical_assistant_v1", first_version(base, **values), clinic.package()
                )
        with pytest.raises(MetadataInvalid, match="neither a folder nor a file"):
            await lifecycle.registry.add_version(
                "clinical_assistant_v1", first_version(base), clinic.folder / "nothing"
            )

    clinic.run(story)


def test_words_open_no_gate_and_the_refusal_names_what_blocks(clinic: Clinic) -> None:
    base = clinic.desk.base.slug

    async def story(lifecycle: LifecycleManager) -> Any:
        await lifecycle.register_adapter(clinical(base, safety_score=1.0, test_coverage=1.0))
        await lifecycle.registry.add_version(
            "clinical_assistant_v1", first_version(base), clinic.package(), label=LABEL
        )
        with pytest.raises(NotPermitted) as refused:
            await lifecycle.load_adapter("clinical_assistant_v1", "v1.0.0")
        return refused.value

    error = clinic.run(story)
    assert "is not approved" in error.message
    assert "checks" in error.message
    assert error.errors and error.fix
    refusal = AuditEvent.objects.get(action="registration.refused")
    assert refusal.actor_name == clinic.user.username


def test_who_may_not_submit_may_not_register(clinic: Clinic) -> None:
    reader = accounts.user()

    async def story(lifecycle: LifecycleManager) -> None:
        with pytest.raises(Forbidden, match="ml_engineer"):
            await lifecycle.register_adapter(clinical(clinic.desk.base.slug))

    with pytest.raises(Forbidden):
        clinic.run(story, user=reader)
    clinic.run(story, user=clinic.desk.operator)
    assert not Adapter.objects.filter(slug="clinical-assistant-v1").exists()
