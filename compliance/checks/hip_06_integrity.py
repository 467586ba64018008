"""HIP-06: the stored files are those that were registered."""

from typing import ClassVar

from compliance.domain.adapter import shown
from compliance.domain.check import PACKAGE, Check, Judgement, shortened
from compliance.domain.policy import PolicyPack
from compliance.domain.results import Finding
from compliance.domain.snapshot import FOLDER, Snapshot


class IntegrityCheck(Check):
    """SHA-256 of every file, computed again, equals what the registry wrote down."""

    id: ClassVar[str] = "HIP-06"
    title: ClassVar[str] = "Integrity of stored files"
    authority: ClassVar[str] = "45 CFR 164.312(c)(1), (c)(2)"
    is_waivable: ClassVar[bool] = False
    tags: ClassVar[frozenset[str]] = frozenset({PACKAGE})

    def judge(self, snapshot: Snapshot, policy: PolicyPack) -> Judgement:
        """Changed, missing and extra files, and the digest of the manifest."""
        package, registered = snapshot["package"], snapshot["registered"]
        if registered is None and snapshot["scope"] == FOLDER:
            return Judgement(
                (
                    self.not_applicable(
                        "There is no registered version to compare with.",
                        fix="Register the package; its digests are kept from then on.",
                        object="package",
                    ),
                )
            )
        if package is None or registered is None:
            return Judgement(
                (
                    self.lacking(
                        "The files could not be read.",
                        fix="Restore the blobs of this version from the backup.",
                        object="package",
                    ),
                )
            )
        wanted = {file["path"]: file["sha256"] for file in registered["files"]}
        found = {file["path"]: file["sha256"] for file in package["files"]}
        findings: list[Finding] = []
        for path in sorted(wanted.keys() | found.keys()):
            before, now = wanted.get(path), found.get(path)
            if before == now:
                continue
            if now is None:
                what = f"{shown(path)} is missing since registration (was {(before or '')[:12]})"
            elif before is None:
                what = f"{shown(path)} was not there at registration"
            else:
                what = (
                    f"{shown(path)} changed since registration (was {before[:12]}, is {now[:12]})"
                )
            findings.append(
                self.failed(
                    f"{what}. Do not deploy.",
                    fix="Restore it from the backup, or register a new version.",
                    object=shown(path),
                )
            )
        if not findings and package["manifest_sha256"] != registered["manifest_sha256"]:
            findings.append(
                self.failed(
                    f"The manifest's digest is {package['manifest_sha256'][:12]}, "
                    f"{registered['manifest_sha256'][:12]} was registered.",
                    fix="Do not deploy; open an incident: a row of the registry was changed.",
                    object="manifest",
                )
            )
        if not findings:
            findings.append(self.passed(f"{len(found)} files are as registered.", object="package"))
        return Judgement(
            tuple(shortened(findings)),
            {"manifest_sha256": package["manifest_sha256"], "files": len(found)},
            {"manifest_sha256": registered["manifest_sha256"]},
        )
