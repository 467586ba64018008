"""Looks at a package before anybody submits it, with the checks that the registry itself runs."""

from dataclasses import dataclass
from pathlib import Path

from compliance.domain.results import HARMLESS, Severity
from compliance.selectors.package_reports import package_report
from config.accounts.roles import Act
from registry.models import Adapter
from registry.selectors import base_model_by_name
from serving.lifecycle.acting import Acting, from_anywhere
from serving.lifecycle.errors import MetadataInvalid
from serving.lifecycle.metadata import ref_of


@dataclass(frozen=True, kw_only=True)
class Issue:
    """Something that blocks (``error``) or that a reviewer should know (``warning``).

    ``code``: the check's id; ``category``: its family; ``object``: where.
    """

    severity: str
    category: str
    code: str
    message: str
    suggestion: str
    object: str


@dataclass(frozen=True, kw_only=True)
class ValidationResult:
    """What the checks found; ``is_compatible``: nothing blocks."""

    adapter_id: str
    is_compatible: bool
    issues: tuple[Issue, ...]


class AdapterValidator:
    """``lifecycle.validator``."""

    def __init__(self, acting: Acting) -> None:
        self._acting = acting

    def validate_adapter(
        self, adapter_path: Path | str, base_model_id: str, adapter_id: str
    ) -> ValidationResult:
        """Run the package checks over a folder or a ZIP archive. Nothing is kept.

        Raises:
            Invalid: there is nothing at the path that can be read.
            BaseModelNotFound: no base has this name.
            MetadataInvalid: an adapter of this id is registered for another base.
        """
        return from_anywhere(lambda: self._validate(Path(adapter_path), base_model_id, adapter_id))

    def _validate(self, path: Path, base_model_id: str, adapter_id: str) -> ValidationResult:
        self._acting.require(Act.READ)
        base, ref = base_model_by_name(base_model_id), ref_of(adapter_id)
        registered = Adapter.objects.filter(namespace=ref.namespace, slug=ref.slug).first()
        if registered is not None and registered.base_model_id != base.pk:
            raise MetadataInvalid(
                f"{registered.ref} is made for {registered.base_model.slug}, not {base.slug}.",
                fix="Validate it against that base, or under another id.",
            )
        report = package_report(path, base)
        issues = tuple(
            Issue(
                severity="warning" if finding.severity is not Severity.BLOCKING else "error",
                category=finding.id.partition("-")[0].lower(),
                code=finding.id,
                message=finding.message,
                suggestion=finding.fix,
                object=finding.object,
            )
            for finding in report.findings
            if finding.state not in HARMLESS
        )
        return ValidationResult(
            adapter_id=adapter_id,
            is_compatible=not any(issue.severity == "error" for issue in issues),
            issues=issues,
        )
