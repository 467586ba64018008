"""The JSON of the Hub endpoint, as its clients' libraries parse it; only what is known is told."""

from collections.abc import Sequence
from typing import Any

from config.accounts.models import ApiToken, User
from config.core import clock
from registry.models import Adapter, Version

from .files import HubFile, HubFolder, files_at
from .revisions import Ref, Refs

Body = dict[str, Any]
_PIPELINES = {"CAUSAL_LM": "text-generation", "SEQ_2_SEQ_LM": "text2text-generation"}


def model(adapter: Adapter, *, downloads: int) -> Body:
    """What is known of an adapter, whatever version of it is asked for."""
    name = f"{adapter.namespace}/{adapter.slug}"
    return {
        "_id": adapter.uuid.hex[:24],
        "id": name,
        "modelId": name,
        "author": adapter.namespace,
        "private": True,
        "gated": False,
        "disabled": False,
        "createdAt": clock.isoformat(adapter.created_at),
        "downloads": downloads,
        "library_name": "peft",
        "tags": ["peft", "safetensors", "lora", *(str(tag) for tag in adapter.tags)],
    }


def model_at(adapter: Adapter, version: Version, *, downloads: int, with_blobs: bool) -> Body:
    """An adapter at one version, with the version's files as ``siblings``."""
    files = files_at(version)
    declared = str(version.peft_facts.get("base_name") or adapter.base_model.slug)
    body = model(adapter, downloads=downloads)
    pipeline = _PIPELINES.get(str(version.peft_facts.get("task_type", "")))
    if pipeline:
        body["pipeline_tag"] = pipeline
    return body | {
        "sha": version.commit_id,
        "lastModified": clock.isoformat(version.submitted_at),
        "tags": [*body["tags"], f"base_model:adapter:{declared}"],
        "cardData": {"base_model": declared, "library_name": "peft"},
        "usedStorage": sum(file.size_bytes for file in files),
        "siblings": [_sibling(file, with_blobs=with_blobs) for file in files],
    }


def tree(
    entries: Sequence[HubFile | HubFolder], version: Version, *, is_expanded: bool
) -> list[Body]:
    """Files and folders of a revision."""
    commit = {
        "id": version.commit_id,
        "title": version.version_name,
        "date": clock.isoformat(version.submitted_at),
    }
    more = {"lastCommit": commit} if is_expanded else {}
    return [_entry(entry) | more for entry in entries]


def refs(found: Refs) -> Body:
    """Branches and tags."""
    return {
        "branches": [_ref(row, "heads") for row in found.branches],
        "converts": [],
        "tags": [_ref(row, "tags") for row in found.tags],
    }


def commits(versions: Sequence[Version]) -> list[Body]:
    """Versions as commits, in their order."""
    return [
        {
            "id": version.commit_id,
            "title": version.version_name,
            "message": version.notes,
            "authors": [{"user": version.submitted_by.get_username()}],
            "date": clock.isoformat(version.submitted_at),
        }
        for version in versions
    ]


def account(user: User, token: ApiToken | None) -> Body:
    """Whose token this is."""
    body: Body = {
        "type": "user",
        "id": str(user.pk),
        "name": user.get_username(),
        "fullname": user.person.printed_name if user.person else user.get_username(),
        "orgs": [],
        "auth": {"type": "session"},
    }
    if token is not None:
        shown = {
            "displayName": token.name,
            "role": "read",
            "createdAt": clock.isoformat(token.created_at),
        }
        body["auth"] = {"type": "access_token", "accessToken": shown}
    return body


def _sibling(file: HubFile, *, with_blobs: bool) -> Body:
    body: Body = {"rfilename": file.path}
    if with_blobs:
        lfs = {
            "sha256": file.sha256,
            "size": file.size_bytes,
            "pointerSize": len(file.pointer),
        }
        body |= {"size": file.size_bytes, "blobId": file.git_oid, "lfs": lfs}
    return body


def _entry(entry: HubFile | HubFolder) -> Body:
    if isinstance(entry, HubFolder):
        return {"type": "directory", "oid": entry.git_oid, "size": 0, "path": entry.path}
    lfs = {
        "oid": entry.sha256,
        "size": entry.size_bytes,
        "pointerSize": len(entry.pointer),
    }
    return {
        "type": "file",
        "oid": entry.git_oid,
        "size": entry.size_bytes,
        "path": entry.path,
        "lfs": lfs,
    }


def _ref(row: Ref, kind: str) -> Body:
    return {
        "name": row.name,
        "ref": f"refs/{kind}/{row.name}",
        "targetCommit": row.version.commit_id,
    }
