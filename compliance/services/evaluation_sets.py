"""Locks evaluation sets: items, template and grader under a digest, never changed afterwards."""

from collections.abc import Mapping, Sequence
from typing import Any

from django.db import transaction

from compliance.domain.grading import GRADERS
from compliance.errors import SetExists, SetInvalid
from compliance.events import EvaluationSetLocked
from compliance.models import EvaluationItem, EvaluationSet
from config.accounts.models import User
from config.core import keys, strict_json
from config.core.actors import Actor
from config.core.digests import canonical_json, sha256_hex
from config.core.events import publish
from config.core.texts import unstorable
from registry.domain.refs import VERSION_NAME

MAX_ITEMS = 20_000
MAX_TEXT_CHARS = 20_000
MAX_TOKENS = 4096
ROLES = frozenset({"system", "user", "assistant"})
PLACEHOLDER = "{text}"


def lock_lines(*, content: bytes, **values: Any) -> EvaluationSet:
    """Lock a set given as JSON lines; its digest is that of exactly these bytes.

    Raises:
        SetInvalid: naming each line that is wrong, never what it says.
        SetExists: the name and version are taken by other content.
    """
    items, errors = [], []
    for number, line in enumerate(content.split(b"\n"), start=1):
        if not line.strip():
            continue
        try:
            items.append(strict_json.loads(line))
        except strict_json.NameTwice:
            errors.append({"line": number, "message": "has a member twice"})
        except ValueError:
            errors.append({"line": number, "message": "is not JSON"})
    if errors:
        raise _invalid(errors)
    return lock(items=items, sha256=sha256_hex(content), **values)


def lock(
    *,
    name: str,
    version_name: str,
    items: Sequence[Mapping[str, Any]],
    prompt_template: Sequence[Mapping[str, str]],
    grader: str = "exact_match",
    max_tokens: int = 16,
    group_fields: Sequence[str] = (),
    user: User,
    actor: Actor,
    sha256: str = "",
) -> EvaluationSet:
    """Store a set with its texts encrypted; the same content again returns the set that is there.

    ``items``: ``{"text", "expected", "groups"}``; ``prompt_template``: chat messages, of which at
    least one holds ``{text}``; ``sha256``: of the bytes they came from, else of their canonical
    lines.

    Raises:
        SetInvalid: naming each item that is wrong, never what it says.
        SetExists: the name and version are taken by other content.
    """
    errors = _faults(items, prompt_template, grader, max_tokens, name, version_name, group_fields)
    if errors:
        raise _invalid(errors)
    fields = list(group_fields) or sorted({key for item in items for key in _groups(item)})
    digest = sha256 or sha256_hex(b"".join(canonical_json(_clean(item)) + b"\n" for item in items))
    template = [
        {"role": message["role"], "content": message["content"]} for message in prompt_template
    ]
    values = {
        "sha256": digest,
        "prompt_template_sha256": sha256_hex(canonical_json(template)),
        "grader": grader,
        "max_tokens": max_tokens,
        "group_fields": fields,
        "items_count": len(items),
    }
    with transaction.atomic():
        row, is_new = EvaluationSet.objects.get_or_create(
            name=name,
            version_name=version_name,
            defaults={**values, "prompt_template": template, "locked_by": user},
        )
        if not is_new:
            _same_or_refuse(row, values)
            return row
        EvaluationItem.objects.bulk_create(
            (_item(row, index, item) for index, item in enumerate(items)), batch_size=500
        )
        publish(
            EvaluationSetLocked(
                actor=actor,
                object_type="evaluation_set",
                object_id=str(row.uuid),
                object_rev=digest,
                diff={
                    "name": [None, str(row)],
                    **{key: [None, value] for key, value in values.items()},
                },
            )
        )
    return row


def _item(row: EvaluationSet, index: int, item: Mapping[str, Any]) -> EvaluationItem:
    clean = _clean(item)
    return EvaluationItem(
        evaluation_set=row,
        index=index,
        # Keyed: a plain hash of a short note could be guessed back.
        item_sha256=keys.keyed_hash("evaluation-item", canonical_json(clean)).hex(),
        text_encrypted=keys.encrypt(clean["text"]),
        expected=clean["expected"],
        groups=clean["groups"],
    )


def _clean(item: Mapping[str, Any]) -> dict[str, Any]:
    return {"text": item["text"], "expected": item["expected"].strip(), "groups": _groups(item)}


def _groups(item: Mapping[str, Any]) -> dict[str, str]:
    return {str(key): str(level) for key, level in (item.get("groups") or {}).items() if level}


def _same_or_refuse(row: EvaluationSet, values: Mapping[str, Any]) -> None:
    differing = sorted(key for key, value in values.items() if getattr(row, key) != value)
    if differing:
        raise SetExists(
            f"{row} is locked with another {', '.join(differing)}.",
            fix="Sets never change: lock the new content under another version name.",
        )


def _faults(
    items: Sequence[Any],
    template: Any,
    grader: str,
    max_tokens: int,
    name: str,
    version_name: str,
    group_fields: Sequence[str],
) -> list[dict[str, Any]]:
    errors: list[dict[str, Any]] = []
    for field, text in (("name", name), ("version_name", version_name)):
        if not VERSION_NAME.fullmatch(text):
            message = "must be 1 to 63 letters, digits and . _ + -, as in name@version_name"
            errors.append({"field": field, "message": message})
    if grader not in GRADERS:
        known = ", ".join(GRADERS)
        errors.append({"field": "grader", "message": f"is unknown; there is: {known}"})
    if not 1 <= max_tokens <= MAX_TOKENS:
        errors.append({"field": "max_tokens", "message": f"must be 1 to {MAX_TOKENS}"})
    if why := unstorable(list(group_fields)):
        errors.append({"field": "group_fields", "message": why})
    if not _is_template(template):
        message = "must be a list of messages with role and content, one of which holds {text}"
        errors.append({"field": "prompt_template", "message": message})
    elif why := unstorable(template):
        errors.append({"field": "prompt_template", "message": why})
    if not 1 <= len(items) <= MAX_ITEMS:
        errors.append({"field": "items", "message": f"must be 1 to {MAX_ITEMS} items"})
    seen: dict[str, int] = {}
    for index, item in enumerate(items[:MAX_ITEMS]):
        fault = _item_fault(item) or unstorable(item)
        if not fault:
            # One note told twice is one piece of evidence, not two.
            first = seen.setdefault(" ".join(item["text"].split()).casefold(), index)
            fault = "" if first == index else f"has the same text as items/{first}"
        if fault:
            errors.append({"field": f"items/{index}", "message": fault})
    return errors


def _is_template(template: Any) -> bool:
    if not isinstance(template, list | tuple) or not template:
        return False
    is_shaped = all(
        isinstance(message, Mapping)
        and message.get("role") in ROLES
        and isinstance(message.get("content"), str)
        for message in template
    )
    return is_shaped and any(PLACEHOLDER in message["content"] for message in template)


def _item_fault(item: Any) -> str:
    if not isinstance(item, Mapping):
        return "is no object"
    text, expected, groups = item.get("text"), item.get("expected"), item.get("groups") or {}
    if not isinstance(text, str) or not 0 < len(text) <= MAX_TEXT_CHARS:
        return f"needs a text of 1 to {MAX_TEXT_CHARS} characters"
    if not isinstance(expected, str) or not 0 < len(expected.strip()) <= 200:
        return "needs an expected class of 1 to 200 characters"
    is_flat = isinstance(groups, Mapping) and all(
        level is None or isinstance(level, str | int | bool) for level in groups.values()
    )
    return "" if is_flat else "has groups that are no flat object of attribute and level"


def _invalid(errors: list[dict[str, Any]]) -> SetInvalid:
    shown = errors[:20]
    return SetInvalid(
        f"{len(errors)} places are wrong; the first ones are listed.",
        fix='Send JSON lines: {"text": "…", "expected": "…", "groups": {"age_group": "adult"}}.',
        errors=shown,
    )
