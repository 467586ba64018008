"""SEC-02: nothing in the configuration can make a loader run code."""

import re
from collections.abc import Mapping
from typing import Any, ClassVar

from compliance.domain.adapter import CONFIG_FILE, read_adapter, shown
from compliance.domain.base_names import is_address, is_path
from compliance.domain.check import PACKAGE, Check, Judgement
from compliance.domain.file_kinds import NOT_JSON, TOO_LARGE
from compliance.domain.policy import PolicyPack
from compliance.domain.results import Finding
from compliance.domain.snapshot import BaseSection, PackageFacts, Snapshot

_TRANSFORMERS = re.compile(r"transformers(\.[A-Za-z_]\w*)*")
_CLASS = re.compile(r"[A-Za-z_]\w*")
_AUTO_MAPPING_KEYS = frozenset({"parent_library", "base_model_class"})
MEGATRON_CORE = "megatron.core"


class NoCodeCheck(Check):
    """No import by configuration, no custom code, and the base's own chat template."""

    id: ClassVar[str] = "SEC-02"
    version: ClassVar[str] = "2"
    title: ClassVar[str] = "Configuration cannot run code"
    authority: ClassVar[str] = "PEFT imports names from adapter_config; CycloneDX issue 862"
    is_waivable: ClassVar[bool] = False
    tags: ClassVar[frozenset[str]] = frozenset({PACKAGE})

    def judge(self, snapshot: Snapshot, policy: PolicyPack) -> Judgement:
        """Imports that loaders do for a configuration, code flags, templates, the base's name."""
        package, base = snapshot["package"], snapshot["base"]
        if package is None:
            return Judgement((self.lacking("There is no package.", fix="Upload it.", object="-"),))
        view = read_adapter(package)
        findings = self._imports(view.raw) + self._code(package) + self._templates(package, base)
        if not view.raw:
            findings.append(
                self.lacking(
                    f"{CONFIG_FILE} can't be read ({shown(view.error)}), so nothing is known about "
                    "what it imports.",
                    fix="Mend it first; TEC-01 says how.",
                    object=CONFIG_FILE,
                )
            )
        findings += self._base_name(view.raw)
        if not any(finding.is_blocking for finding in findings):
            findings.insert(
                0, self.passed("Nothing in the configuration runs code.", object=CONFIG_FILE)
            )
        return Judgement(
            tuple(findings),
            {
                "megatron_core": shown(raw_text(view.raw, "megatron_core")),
                "templates": [template["sha256"] for template in package["templates"]],
            },
            {"chat_template_sha256": base["chat_template_sha256"] if base else None},
        )

    def _imports(self, raw: Mapping[str, Any]) -> list[Finding]:
        findings = []
        mapping = raw.get("auto_mapping")
        if mapping is not None:
            problem = _mapping_problem(mapping)
            if problem:
                findings.append(self._refused("auto_mapping", problem))
        if raw.get("megatron_config") is not None:
            findings.append(self._refused("megatron_config", "makes PEFT import Megatron"))
        if raw.get("megatron_core") not in (None, MEGATRON_CORE):
            library = shown(raw["megatron_core"])
            findings.append(self._refused("megatron_core", f"asks to import {library}"))
        return findings

    def _refused(self, key: str, what: str) -> Finding:
        return self.failed(
            f"{CONFIG_FILE}.{key} {what}.",
            fix=f"Remove {key} from {CONFIG_FILE}; serving does not need it.",
            object=f"{CONFIG_FILE}:{key}",
        )

    def _code(self, package: PackageFacts) -> list[Finding]:
        findings = []
        for file in package["files"]:
            for key in file["code_keys"]:
                if file["path"] == CONFIG_FILE and key == "auto_mapping.parent_library":
                    continue  # judged above, with what it names
                if key in (TOO_LARGE, NOT_JSON):
                    findings.append(self._unsearched(shown(file["path"]), key))
                    continue
                findings.append(
                    self.failed(
                        f"{shown(file['path'])} has {shown(key)}, by which loaders run code.",
                        fix=f"Remove {shown(key)} from {shown(file['path'])}, or leave it out.",
                        object=f"{shown(file['path'])}:{shown(key)}",
                    )
                )
        return findings[:20]

    def _unsearched(self, path: str, why: str) -> Finding:
        return self.failed(
            f"Whether {path} makes loaders run code is not known: it is {why.strip('()')}.",
            fix=f"Leave {path} out; an adapter is served without it.",
            object=path,
        )

    def _templates(self, package: PackageFacts, base: BaseSection | None) -> list[Finding]:
        wanted = base["chat_template_sha256"] if base else None
        return [
            self.failed(
                f"The chat template in {shown(template['path'])} ({template['sha256'][:12]}) is "
                f"not the base's ({(wanted or 'none')[:12]}); a template can change every prompt.",
                fix="Leave the template out; the base's is used and its hash is in the record.",
                object=shown(template["path"]),
            )
            for template in package["templates"]
            if template["sha256"] != wanted
        ]

    def _base_name(self, raw: Mapping[str, Any]) -> list[Finding]:
        name = raw.get("base_model_name_or_path")
        if not isinstance(name, str) or not (is_path(name) or is_address(name)):
            return []
        return [
            self.warned(
                f"base_model_name_or_path is {shown(name)}, a path or an address of the training "
                "machine; serving never opens it.",
                fix="Write the base's registered name instead.",
                object=f"{CONFIG_FILE}:base_model_name_or_path",
            )
        ]


def raw_text(raw: Mapping[str, Any], key: str) -> str:
    """The member as text; empty where it is null or absent."""
    value = raw.get(key)
    return "" if value is None else str(value)


def _mapping_problem(mapping: Any) -> str:
    if not isinstance(mapping, dict):
        return "is no object"
    extra = sorted(mapping.keys() - _AUTO_MAPPING_KEYS)
    if extra:
        return f"has the unknown key {shown(extra[0])}"
    library = mapping.get("parent_library")
    if library is not None and not (isinstance(library, str) and _TRANSFORMERS.fullmatch(library)):
        return f"asks to import {shown(library)}"
    name = mapping.get("base_model_class")
    if name is not None and not (isinstance(name, str) and _CLASS.fullmatch(name)):
        return f"names the class {shown(name)}"
    return ""
