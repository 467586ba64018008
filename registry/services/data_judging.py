"""Reads an avatar's training files and says what is wrong with each."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from config.core.errors import DomainError
from registry.domain.training_data import Finding, Severity, findings
from registry.models import TrainingFile
from registry.services import training_files


@dataclass(frozen=True, kw_only=True)
class Judged:
    """A file and what is wrong with it; warnings alone don't make it unusable."""

    file: TrainingFile
    findings: Sequence[Finding]

    @property
    def is_valid(self) -> bool:
        """Whether it can be trained on."""
        return all(found.severity is not Severity.ERROR for found in self.findings)


def judge(files: Iterable[TrainingFile]) -> list[Judged]:
    """Every file with its findings; a file whose bytes are lost has that as its finding."""
    return [Judged(file=file, findings=_findings(file)) for file in files]


def _findings(file: TrainingFile) -> list[Finding]:
    try:
        with training_files.open_text(file) as stream:
            return findings(file.kind, stream, size_bytes=file.size_bytes)
    except DomainError as error:
        # Lost or damaged in the store: the owner learns it here, before a training meets it.
        return [Finding(error.code, Severity.ERROR, 0, error.message)]
