"""TEC-01: adapter_config.json is a LoRA configuration that the engine serves."""

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from compliance.domain.adapter import CONFIG_FILE, AdapterView, read_adapter, shown
from compliance.domain.check import PACKAGE, Check, Judgement
from compliance.domain.policy import PolicyPack
from compliance.domain.results import Finding
from compliance.domain.snapshot import PackageFacts, Snapshot
from registry.domain.peft_support import config_problems, unknown_keys, unsupported_features

TASK_TYPE = "CAUSAL_LM"


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_flag(value: Any) -> bool:
    return isinstance(value, bool)


def _is_share(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 1


def _is_texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)


def _is_object(value: Any) -> bool:
    return isinstance(value, dict)


_TYPES: Mapping[str, tuple[Callable[[Any], bool], str]] = {
    "lora_dropout": (_is_share, "a number from 0 to 1"),
    "inference_mode": (_is_flag, "true or false"),
    "use_dora": (_is_flag, "true or false"),
    "fan_in_fan_out": (_is_flag, "true or false"),
    "lora_bias": (_is_flag, "true or false"),
    "bias": (_is_text, "a text"),
    "revision": (_is_text, "a text"),
    "peft_version": (_is_text, "a text"),
    "modules_to_save": (_is_texts, "a list of texts"),
    "auto_mapping": (_is_object, "an object"),
    "megatron_config": (_is_object, "an object"),
    "loftq_config": (_is_object, "an object"),
}
"""Types that PEFT writes, of the keys whose type the arithmetic itself does not depend on."""


class PeftConfigCheck(Check):
    """Required keys, known types, and no feature that the engine refuses."""

    id: ClassVar[str] = "TEC-01"
    version: ClassVar[str] = "2"
    title: ClassVar[str] = "PEFT configuration valid"
    authority: ClassVar[str] = "PEFT 0.21 LoraConfig; IEC 62304 5.1"
    tags: ClassVar[frozenset[str]] = frozenset({PACKAGE})

    def judge(self, snapshot: Snapshot, policy: PolicyPack) -> Judgement:
        """Fail on what can't be read or served, warn on keys that PEFT does not know."""
        view = read_adapter(snapshot["package"])
        if not view.raw:
            return Judgement((self._unreadable(view, snapshot["package"]),))
        raw, engine = view.raw, snapshot["engine"]
        findings = [*self._missing(raw), *self._invalid(raw)]
        for problem in unsupported_features(raw):
            if problem.key in engine["accepts"]:
                continue
            findings.append(
                self.failed(
                    f"{shown(problem.message, limit=200)} by engine {engine['name']}.",
                    fix=problem.fix,
                    object=f"{CONFIG_FILE}:{problem.key}",
                )
            )
        findings += self._task(raw) + self._unknown(raw)
        if not findings:
            findings.append(self.passed("The configuration is plain LoRA.", object=CONFIG_FILE))
        values = {
            "peft_type": shown(raw.get("peft_type")),
            "peft_version": shown(raw.get("peft_version")),
            "engine": engine["name"],
        }
        return Judgement(tuple(findings), values)

    def _unreadable(self, view: AdapterView, package: PackageFacts | None) -> Finding:
        fix = "Upload the folder that PEFT's save_pretrained wrote, with its configuration."
        nested = [
            shown(file["path"].removesuffix(f"/{CONFIG_FILE}"))
            for file in (package["files"] if package else [])
            if file["path"].endswith(f"/{CONFIG_FILE}")
        ]
        if nested:
            fix = f"There is one in {nested[0]}: give that folder alone."
        return self.failed(
            f"{CONFIG_FILE} can't be read: {shown(view.error, limit=200) or 'it is empty'}.",
            fix=fix,
            object=CONFIG_FILE,
        )

    def _missing(self, raw: Mapping[str, Any]) -> list[Finding]:
        findings = []
        if "task_type" not in raw:
            findings.append(self._lacks("task_type", f'Set task_type to "{TASK_TYPE}".'))
        name = raw.get("base_model_name_or_path")
        if name is None or name == "":
            findings.append(
                self._lacks(
                    "base_model_name_or_path", "Name the base model that it was trained on."
                )
            )
        return findings

    def _lacks(self, key: str, fix: str) -> Finding:
        return self.failed(f"{CONFIG_FILE} has no {key}.", fix=fix, object=f"{CONFIG_FILE}:{key}")

    def _invalid(self, raw: Mapping[str, Any]) -> list[Finding]:
        findings = [
            self.failed(
                f"{CONFIG_FILE}: {shown(problem.message, limit=200)}.",
                fix=problem.fix,
                object=f"{CONFIG_FILE}:{problem.key}",
            )
            for problem in config_problems(raw)
        ]
        for key, (is_valid, wanted) in _TYPES.items():
            if raw.get(key) is not None and not is_valid(raw[key]):
                findings.append(
                    self.failed(
                        f"{CONFIG_FILE}: {key} is {shown(raw[key])}, it should be {wanted}.",
                        fix="Save the adapter again with PEFT, or mend the value.",
                        object=f"{CONFIG_FILE}:{key}",
                    )
                )
        return findings

    def _task(self, raw: Mapping[str, Any]) -> list[Finding]:
        where = f"{CONFIG_FILE}:task_type"
        task = raw.get("task_type", TASK_TYPE)
        if task is None:
            return [
                self.warned(
                    "task_type is null; it is taken for a causal language model.",
                    fix=f'Set task_type to "{TASK_TYPE}".',
                    object=where,
                )
            ]
        if task != TASK_TYPE:
            return [
                self.failed(
                    f"task_type is {shown(task)}; the engines serve {TASK_TYPE} only.",
                    fix="Train the adapter as a causal language model.",
                    object=where,
                )
            ]
        return []

    def _unknown(self, raw: Mapping[str, Any]) -> list[Finding]:
        return [
            self.warned(
                f"{CONFIG_FILE} has the key {shown(key)}, which PEFT 0.21 does not know.",
                fix="Remove it, unless a tool of yours needs it; the engines ignore it.",
                object=f"{CONFIG_FILE}:{shown(key)}",
            )
            for key in unknown_keys(raw)[:20]
        ]
