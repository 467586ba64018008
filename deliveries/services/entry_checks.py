"""What is refused before an entry is written."""

from collections.abc import Mapping
from typing import Any

from deliveries.domain.entry_values import faults
from deliveries.domain.file_refs import S3
from deliveries.manager_errors import EntryInvalid, MetadataRefused
from deliveries.services import files, metadata

CHANGEABLE = (
    "namespace",
    "name",
    "version",
    "tags",
    "file_path",
    "weight",
    "active",
    "ordinal",
    "archetype",
    "archetype_confidence",
    "preview_url",
)
# These may be unset by null; for all others null says nothing.
_NULLABLE = frozenset({"version", "ordinal", "archetype", "archetype_confidence"})


def said(values: Mapping[str, Any]) -> dict[str, Any]:
    """The fields that say something: null does for those alone that may be unset."""
    return {
        field: value for field, value in values.items() if value is not None or field in _NULLABLE
    }


def refuse_faults(values: Mapping[str, Any], required: tuple[str, ...] = ()) -> None:
    """Refuse values that their fields can't hold, and the lack of ``required`` ones.

    Raises:
        EntryInvalid: ``errors`` names each field.
    """
    found = [{"pointer": f"/{fault.field}", "message": fault.message} for fault in faults(values)]
    found += [
        {"pointer": f"/{field}", "message": "This field is required."}
        for field in required
        if not values.get(field)
    ]
    if found:
        raise EntryInvalid(
            "; ".join(f"{fault['pointer'][1:]}: {fault['message']}" for fault in found),
            fix="Correct the named fields.",
            errors=found,
        )


def refuse_foreign(values: Mapping[str, Any]) -> None:
    """Refuse fields that nobody can change.

    Raises:
        EntryInvalid: ``errors`` names each.
    """
    if foreign := sorted(set(values) - set(CHANGEABLE)):
        raise EntryInvalid(
            f"{', '.join(foreign)} can't be changed.",
            fix=f"These can be: {', '.join(CHANGEABLE)}.",
            errors=[
                {"pointer": f"/{field}", "message": "This can't be changed."} for field in foreign
            ],
        )


def refuse_preview(values: Mapping[str, Any]) -> None:
    """An address that we sign is one that everybody may read: only of a bucket that is allowed."""
    address = values.get("preview_url") or ""
    if address.startswith(S3) and not files.is_readable_bucket(address):
        message = "The preview's bucket is not one that may be read from."
        raise EntryInvalid(
            message,
            fix="Put it into METADATA_BUCKET.",
            errors=[{"pointer": "/preview_url", "message": message}],
        )


def refuse_contradiction(said: metadata.GivenMetadata, facts: files.FileFacts) -> None:
    """Refuse a document that describes other bytes than the file has.

    Raises:
        MetadataRefused: its size or SHA-256 is another.
    """
    is_other = said.sha256 and said.sha256.lower() != facts.sha256
    if is_other or (said.size_bytes is not None and said.size_bytes != facts.size_bytes):
        raise MetadataRefused(
            "The document describes other bytes than the file has.",
            fix="Have the document written anew, or name the right file.",
            errors=[{"pointer": "/metadata_uri", "message": "Its size or SHA-256 is another."}],
        )
