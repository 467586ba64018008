"""What the signing page shows: the frozen record for reading, and whose turn it is."""

import json
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _

from compliance.domain.evaluation import Item
from compliance.domain.separation import refusal
from compliance.domain.statements import STATEMENTS
from compliance.models import ApprovalRequest, CheckResult, EvaluationRow
from compliance.selectors import VerifiedSignature, authors_of, required_of, verify_signatures
from compliance.selectors.approvals import account_of
from config.accounts.models import User
from config.accounts.services import second_factors
from config.console import words
from config.console.selectors import results
from registry.models import VersionFile


@dataclass(frozen=True)
class SigningPage:
    """The page's facts.

    ``content``: the record as it was frozen; ``why_not``: why this account may not give the
    signature that is due; ``could``: who is asked for it, by role.
    """

    request: ApprovalRequest
    content: dict[str, Any]
    checks: list[dict[str, Any]]
    evaluations: list[dict[str, Any]]
    files: list[VersionFile]
    signatures: list[VerifiedSignature]
    due: str
    statement: str
    why_not: str
    could: str
    mine: VerifiedSignature | None


def signing_page(request: ApprovalRequest, user: User, roles: frozenset[str]) -> SigningPage:
    """Read it all in a fixed number of queries."""
    content = json.loads(request.record.content)
    signatures = verify_signatures(request)
    required = required_of(request.version)
    index = len(signatures)
    due = required[index] if request.state == "open" and index < len(required) else None
    why = ""
    if due is not None:
        why = refusal(
            signer=account_of(user),
            signer_roles=roles,
            required=required,
            signed_by=[str(row.signature.person.uuid) for row in signatures],
            meaning=due.meaning,
            authors=authors_of(
                request.version, [str(row["run"]) for row in content["evaluations"]]
            ),
        )
        if not why and not second_factors.is_enrolled(user):
            why = _("Your account has no second factor yet; set one up under “Second factor”.")
    statement = STATEMENTS.get(due.meaning) if due else None
    return SigningPage(
        request=request,
        content=content,
        checks=_checks(content),
        evaluations=_evaluations(content),
        files=list(VersionFile.objects.filter(version=request.version).select_related("blob")),
        signatures=signatures,
        due=due.meaning if due else "",
        statement=statement.text if statement else "",
        why_not=_worded(why, due.roles if due else ()),
        could=words.roles(due.roles) if due else "",
        mine=next((row for row in signatures if row.signature.person_id == user.person_id), None),
    )


def _worded(why: str, roles: tuple[str, ...]) -> str:
    """The rule's refusal with role names as people read them."""
    for role in roles:
        why = why.replace(role, words.ROLE.get(role, role))
    for name, said in words.MEANING.items():
        why = why.replace(name, f"“{said}”")
    return why


def _checks(content: dict[str, Any]) -> list[dict[str, Any]]:
    """The record's results with their titles and findings, blocking and warning ones first."""
    wanted = {(row["check_run"], row["check_id"]): row for row in content["checks"]}
    stored = CheckResult.objects.filter(
        run__uuid__in={row["check_run"] for row in content["checks"]}
    )
    found = {}
    for result in stored.select_related("run").prefetch_related("findings"):
        key = (str(result.run.uuid), result.check_id)
        if key in wanted:
            found[key] = result
    order = {"pass": 2, "not_applicable": 3, "warn": 1}
    lines = [
        {
            **row,
            "title": found[key].title if key in found else "",
            "findings": list(found[key].findings.all()) if key in found else [],
        }
        for key, row in wanted.items()
    ]
    return sorted(lines, key=lambda row: (order.get(row["state"], 0), row["check_id"]))


def _evaluations(content: dict[str, Any]) -> list[dict[str, Any]]:
    """The record's evaluations with results by group."""
    rows = EvaluationRow.objects.filter(
        run__uuid__in=[row["run"] for row in content["evaluations"]]
    ).values_list("run__uuid", "item_sha256", "expected", "given", "groups")
    items: dict[str, dict[str, Item]] = {}
    for uuid, sha256, expected, given, groups in rows:
        items.setdefault(str(uuid), {})[sha256] = Item(sha256, expected, given, groups)
    return [
        {**row, "rates": results.rates(items.get(row["run"], {}))} for row in content["evaluations"]
    ]
