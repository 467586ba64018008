"""The outward contracts in the OpenAPI document: each path once, as clients call it.

The dispatcher at the root is no view that a schema could be made of; the views stand under the
mounts. So the mounts' paths are described as those of the root, and where two contracts answer on
one path and method the two descriptions are joined.
"""

from collections.abc import Mapping
from typing import Any

from config.contracts import ARTIFACTS, AVATARS, MANAGER

Endpoint = tuple[str, str, str, Any]
_AT_THE_ROOT = tuple(f"/{contract.mount}/" for contract in (MANAGER, ARTIFACTS, AVATARS))
_SAGEMAKER = "/sagemaker/"


def at_the_root(endpoints: list[Endpoint], **_: Any) -> list[Endpoint]:
    """Preprocessing hook: the mounts of three contracts are described at the root.

    SageMaker's keep theirs, because two of them share a path with the manager's.
    """
    return [
        (_root_path(path), regex, method, callback) for path, regex, method, callback in endpoints
    ]


def join_shared_paths(result: Any, **_: Any) -> Any:
    """Postprocessing hook: what SageMaker's clients get on the paths that the manager has too."""
    paths = result["paths"]
    for path, operations in list(paths.items()):
        if not path.startswith(_SAGEMAKER):
            continue
        shape = _shape(path.removeprefix(_SAGEMAKER.rstrip("/")))
        for other, joined in paths.items():
            if other.startswith(_SAGEMAKER) or _shape(other) != shape:
                continue
            for method in operations.keys() & joined.keys():
                _join(joined[method], operations[method])
    return result


def _root_path(path: str) -> str:
    mount = next((mount for mount in _AT_THE_ROOT if path.startswith(mount)), None)
    return path if mount is None else "/" + path.removeprefix(mount)


def _shape(path: str) -> str:
    return "/".join("{}" if part.startswith("{") else part for part in path.split("/"))


def _join(operation: dict[str, Any], other: Mapping[str, Any]) -> None:
    operation["description"] = (
        f"{operation.get('description', '')}\n\nWith SageMaker's fields or name: "
        f"{other.get('description', '')}"
    ).strip()
    content = _joined_content(
        operation.get("requestBody", {}).get("content", {}),
        other.get("requestBody", {}).get("content", {}),
    )
    if content:
        operation["requestBody"] = {"content": content}
    for status, response in other.get("responses", {}).items():
        mine = operation["responses"].setdefault(status, {"description": ""})
        content = _joined_content(mine.get("content", {}), response.get("content", {}))
        texts = [mine.get("description", ""), response.get("description", "")]
        mine["description"] = "; ".join(dict.fromkeys(text for text in texts if text))
        if content:
            mine["content"] = content


def _joined_content(mine: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    joined = {kind: dict(media) for kind, media in mine.items()}
    for kind, media in other.items():
        if kind not in joined:
            joined[kind] = dict(media)
        elif joined[kind].get("schema") != media.get("schema"):
            both = [joined[kind].get("schema", {}), media.get("schema", {})]
            joined[kind] = {**joined[kind], "schema": {"anyOf": both}}
    return joined
