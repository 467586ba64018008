"""Reads of artifacts, their records, and what is quarantined."""

from collections.abc import Iterable

from registry.domain.artifacts import Record
from registry.models import Artifact, ModelRecord, VersionFile
from registry.storage_errors import ArtifactNotFound, ModelRecordNotFound


def record_by_name(name: str) -> ModelRecord:
    """The model's record with its three artifacts.

    Raises:
        ModelRecordNotFound: no model has this name.
    """
    rows = ModelRecord.objects.select_related("model__blob", "code__blob", "dataset__blob")
    found = rows.filter(name=name).first()
    if found is None:
        raise ModelRecordNotFound(
            f"There is no model {name[:200]!r}.", fix="Upload its first artifact."
        )
    return found


def artifact_of(record: ModelRecord, kind: str) -> Artifact:
    """The artifact of this type that counts.

    Raises:
        ArtifactNotFound: none of this type was uploaded.
    """
    found: Artifact | None = getattr(record, kind)
    if found is None:
        raise ArtifactNotFound(f"{record.name} has no {kind}.", fix="Upload it first.")
    return found


def as_record(row: ModelRecord) -> Record:
    """The record as clients see it."""
    return Record(
        name=row.name,
        size_bytes=row.model.blob.size_bytes if row.model else 0,
        licence=row.licence,
        model_key=row.model.key if row.model else "",
        code_key=row.code.key if row.code else "",
        dataset_key=row.dataset.key if row.dataset else "",
        scores=row.scores,
        scores_latency_ms=row.scores_latency_ms,
    )


def quarantined(sha256s: Iterable[str]) -> dict[str, str]:
    """SHA-256 → why, of those of these bytes that came as artifacts and may be in no version.

    Bytes that a version has already are judged by its checks: an upload under a bad name must not
    take them away.
    """
    rows = (
        Artifact.objects.filter(blob__sha256__in=set(sha256s))
        .exclude(quarantine="")
        .exclude(blob__in=VersionFile.objects.values("blob"))
    )
    return dict(rows.values_list("blob__sha256", "quarantine"))
