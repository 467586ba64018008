"""TEC-06: the adapter was made for exactly the base that is to serve it."""

import re
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

from compliance.domain.adapter import (
    CONFIG_FILE,
    adapter_plans,
    base_shapes,
    read_adapter,
    shown,
)
from compliance.domain.base_names import is_name_of
from compliance.domain.check import PACKAGE, Check, Judgement
from compliance.domain.policy import PolicyPack
from compliance.domain.results import Finding
from compliance.domain.snapshot import BaseSection, PackageFacts, Snapshot
from registry.domain.packages import WEIGHTS_FILE
from registry.domain.peft import expected_tensors

_DIGEST_KEY = re.compile(r"(?=.*base)(?=.*(sha256|sha|digest|hash|checksum)($|_)).*", re.IGNORECASE)
"""Keys under which a package may state the digest of its base; PEFT itself writes none."""


class ExactBaseCheck(Check):
    """A registered name of the base, fitting shapes, and an equal digest where one is declared."""

    id: ClassVar[str] = "TEC-06"
    version: ClassVar[str] = "2"
    title: ClassVar[str] = "Exact base model"
    authority: ClassVar[str] = "IEC 62304 8.1"
    is_waivable: ClassVar[bool] = False
    tags: ClassVar[frozenset[str]] = frozenset({PACKAGE})

    def judge(self, snapshot: Snapshot, policy: PolicyPack) -> Judgement:
        """Name, shapes, declared digest, and the base that the version was registered for."""
        package, base = snapshot["package"], snapshot["base"]
        view = read_adapter(package)
        if package is None or base is None:
            return Judgement(
                (
                    self.lacking(
                        "The base model is not known.",
                        fix="Register the base model, or name it with --base.",
                        object="base",
                    ),
                )
            )
        findings = self._name(view.raw, base) + self._shapes(snapshot, package, base)
        declared = _declared_digests(view.raw, package)
        registered = snapshot["registered"]
        if registered is not None and registered["base_sha256"]:
            declared["registered version"] = registered["base_sha256"]
        findings += self._digests(declared, base)
        identified = "by digest" if declared else "by name only"
        if not findings:
            findings.append(
                self.passed(
                    f"The base {base['digest'][:12]} is the one that the adapter names; it is "
                    f"identified {identified}, and the shapes fit.",
                    object=f"{CONFIG_FILE}:base_model_name_or_path",
                )
            )
        return Judgement(
            tuple(findings),
            {
                "declared_name": shown(view.raw.get("base_model_name_or_path")),
                "base_sha256": base["digest"],
                "identified": identified,
            },
            {"names": base["names"]},
        )

    def _name(self, raw: Mapping[str, Any], base: BaseSection) -> list[Finding]:
        name = raw.get("base_model_name_or_path")
        if isinstance(name, str) and is_name_of(name, base["names"]):
            return []
        what = f"Trained on {shown(name)}" if name else "The adapter names no base model"
        return [
            self.failed(
                f"{what}; the chosen base is known as {', '.join(base['names']) or 'nothing'} "
                f"({base['digest'][:12]}).",
                fix="Choose the right base, retrain, or have the name registered for this base if "
                "it is the same model.",
                object=f"{CONFIG_FILE}:base_model_name_or_path",
            )
        ]

    def _shapes(
        self, snapshot: Snapshot, package: PackageFacts, base: BaseSection
    ) -> list[Finding]:
        weights = package["weights"]
        if weights is None:
            return []
        plans = adapter_plans(read_adapter(package), base)
        wanted = expected_tensors(plans, base_shapes(base))
        # The side that is not the rank: what A reads and what B writes is given by the base alone.
        wrong = [
            tensor["name"]
            for tensor in weights["tensors"]
            if tensor["name"] in wanted
            and len(tensor["shape"]) == 2
            and _base_side(tensor["name"], tensor["shape"])
            != _base_side(tensor["name"], wanted[tensor["name"]])
        ]
        if not wrong:
            return []
        return [
            self.failed(
                f"{len(wrong)} tensors have the sizes of another model, the first is "
                f"{shown(wrong[0], limit=160)}.",
                fix="Deploy on the base that it was trained on, or retrain.",
                object=shown(wrong[0], limit=160),
            )
        ]

    def _digests(self, declared: Mapping[str, str], base: BaseSection) -> list[Finding]:
        return [
            self.failed(
                f"{where} states the base {shown(digest, limit=24)}, the chosen base is "
                f"{base['digest'][:12]}.",
                fix="Choose the base with that digest, or retrain on this one.",
                object=where,
            )
            for where, digest in sorted(declared.items())
            if digest.removeprefix("sha256:").lower()
            not in (base["digest"], base.get("weights_sha256"))
        ]


def _base_side(name: str, shape: Any) -> int:
    return int(shape[1] if ".lora_A." in name else shape[0])


def _declared_digests(raw: Mapping[str, Any], package: PackageFacts) -> dict[str, str]:
    weights = package["weights"]
    sources: list[tuple[str, Mapping[str, Any]]] = [
        (CONFIG_FILE, raw),
        (f"{WEIGHTS_FILE}:__metadata__", weights["metadata"] if weights else {}),
    ]
    return {
        f"{where}:{key}": str(value)
        for where, source in sources
        for key, value in _members(source)
        if _DIGEST_KEY.fullmatch(key) and value not in (None, "")
    }


def _members(source: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """The members of ``source``, and those of an object about the base as ``base_member``."""
    for key, value in source.items():
        if isinstance(value, dict) and "base" in key.lower():
            yield from ((f"{key}_{name}", item) for name, item in value.items())
        else:
            yield key, value
