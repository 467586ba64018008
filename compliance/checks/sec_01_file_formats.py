"""SEC-01: only safe file formats, judged by content; nothing executable."""

from typing import ClassVar

from compliance.domain.adapter import CONFIG_FILE, shown
from compliance.domain.check import PACKAGE, Check, Judgement, shortened
from compliance.domain.file_kinds import (
    SAFE_KINDS,
    SCRIPT_SUFFIXES,
    TEXT_SUFFIXES,
    UNPICKLED_SUFFIXES,
    is_hidden,
)
from compliance.domain.policy import PolicyPack
from compliance.domain.results import Finding
from compliance.domain.snapshot import FileFacts, PackageFacts, Snapshot
from registry.domain.packages import WEIGHTS_FILE

_WORDS = {
    "pickle": "a pickle",
    "zip": "a ZIP archive",
    "elf": "a Linux program (ELF)",
    "pe": "a Windows program (PE)",
    "macho": "a macOS program (Mach-O) or Java class",
    "archive": "a packed archive",
    "script": "a script",
    "bytecode": "compiled Python",
    "wasm": "WebAssembly",
    "link": "a symbolic link",
    "numpy": "a NumPy array, which may hold a pickle",
    "hdf5": "an HDF5 file",
    "gguf": "a GGUF model",
    "database": "a database",
    "image": "an image",
    "pdf": "a PDF document",
    "binary": "a binary file of an unknown kind",
}
_LEFTOVERS = ("optimizer", "scheduler", "rng_state", "training_args", "scaler", "trainer")


class FileFormatsCheck(Check):
    """An allow-list by content: safetensors, JSON, UTF-8 text, tokenizer files."""

    id: ClassVar[str] = "SEC-01"
    version: ClassVar[str] = "2"
    title: ClassVar[str] = "Only safe file formats"
    authority: ClassVar[str] = "FD&C 524B; IEC 81001-5-1; 45 CFR 164.308(a)(5)(ii)(B)"
    is_waivable: ClassVar[bool] = False
    tags: ClassVar[frozenset[str]] = frozenset({PACKAGE})

    def judge(self, snapshot: Snapshot, policy: PolicyPack) -> Judgement:
        """Container, paths, kinds of all files, and the headers of safetensors files."""
        package = snapshot["package"]
        if package is None:
            return Judgement((self.lacking("There is no package.", fix="Upload it.", object="-"),))
        findings = self._container(package)
        for file in package["files"]:
            findings += self._file(file)
        findings += self._headers(package)
        findings = shortened(findings)
        if not any(finding.is_blocking for finding in findings):
            findings.insert(
                0,
                self.passed(
                    f"{len(package['files'])} files, all of safe formats.", object="package"
                ),
            )
        kinds = sorted({file["kind"] for file in package["files"]})
        return Judgement(
            tuple(findings),
            {"files": len(package["files"]), "kinds": kinds},
            {"kinds": sorted(SAFE_KINDS), "header_bytes": policy.header_maximum_bytes},
        )

    def _container(self, package: PackageFacts) -> list[Finding]:
        return [
            self.failed(fault["message"], fix=fault["fix"], object=fault["path"] or "package")
            for fault in package["faults"]
        ]

    def _file(self, file: FileFacts) -> list[Finding]:
        path, kind = shown(file["path"], limit=160), file["kind"]
        suffix = _suffix(path)
        if kind in ("link", "special"):
            return []  # the container's own guard has named it
        if suffix in SCRIPT_SUFFIXES or kind not in SAFE_KINDS:
            what = _WORDS.get(kind, f"a {suffix} file")
            if suffix in SCRIPT_SUFFIXES and kind in SAFE_KINDS:
                what = f"a script or an active document ({suffix})"
            dangers = f" ({', '.join(file['dangers'])})" if file["dangers"] else ""
            return [self.failed(f"{path} is {what}{dangers}.", fix=_mend(path, kind), object=path)]
        if suffix in UNPICKLED_SUFFIXES:
            return [
                self.failed(
                    f"{path} has a name whose files loaders unpickle ({suffix}), "
                    f"though its content is {kind}.",
                    fix=_mend(path, "pickle"),
                    object=path,
                )
            ]
        if suffix == ".safetensors" and kind not in ("safetensors",):
            return [
                self.failed(
                    f"{path} is named safetensors, its content is {kind}.",
                    fix="Write it with safetensors.torch.save_file on the training machine.",
                    object=path,
                )
            ]
        if kind == "safetensors" and suffix != ".safetensors":
            return [
                self.failed(
                    f"{path} has the beginning of a safetensors file under another name.",
                    fix=f"Name it {WEIGHTS_FILE}, or leave it out.",
                    object=path,
                )
            ]
        if is_hidden(path) or (kind in ("text", "json") and suffix not in TEXT_SUFFIXES):
            return [
                self.warned(
                    f"{path} is a hidden file or of an unusual name.",
                    fix="Leave it out; an adapter does not need it.",
                    object=path,
                )
            ]
        return []

    def _headers(self, package: PackageFacts) -> list[Finding]:
        findings = []
        for path, error in sorted(package["headers"].items()):
            where = f"{path}:{error['tensor']}" if error["tensor"] else path
            findings.append(
                self.failed(
                    f"{shown(path)}: {shown(error['message'], limit=240)}.",
                    fix=error["fix"],
                    object=shown(where, limit=160),
                )
            )
        return findings


def _suffix(path: str) -> str:
    name = path.rsplit("/", 1)[-1]
    return "." + name.rsplit(".", 1)[-1].lower() if "." in name.lstrip(".") else ""


def _mend(path: str, kind: str) -> str:
    name = path.rsplit("/", 1)[-1]
    if path == CONFIG_FILE:
        return "Save the adapter again with PEFT; its configuration is JSON in UTF-8."
    if path == WEIGHTS_FILE:
        return "Write it with safetensors.torch.save_file on the training machine."
    if kind in ("pickle", "zip") and not name.startswith(_LEFTOVERS):
        return (
            "Convert on the training machine: safetensors.torch.save_file(weights, "
            f'"{WEIGHTS_FILE}"), upload that file and leave {name} out.'
        )
    return f"Leave {name} out of the package; an adapter is served without it."
