"""TEC-02: the tensors are exactly those that configuration and base ask for."""

from collections import Counter
from typing import ClassVar

from compliance.domain.adapter import (
    CONFIG_FILE,
    adapter_plans,
    base_shapes,
    layer_count,
    layer_of,
    read_adapter,
    shown,
)
from compliance.domain.check import PACKAGE, Check, Judgement, shortened
from compliance.domain.policy import PolicyPack
from compliance.domain.results import Finding
from compliance.domain.snapshot import BaseSection, PackageFacts, Snapshot, WeightsFacts
from registry.domain.packages import WEIGHTS_FILE
from registry.domain.peft import (
    LoraConfig,
    ModulePlan,
    expand_targets,
    is_linear,
    matched_containers,
    tensor_problems,
    unmatched_targets,
)
from registry.domain.peft_support import ConfigProblem


class TensorsCheck(Check):
    """Every target has its A (rank × in) and B (out × rank), and there is nothing else."""

    id: ClassVar[str] = "TEC-02"
    version: ClassVar[str] = "2"
    title: ClassVar[str] = "Tensors match configuration and base"
    authority: ClassVar[str] = "PEFT 0.21 state dict names; IEC 62304 8.1"
    tags: ClassVar[frozenset[str]] = frozenset({PACKAGE})

    def judge(self, snapshot: Snapshot, policy: PolicyPack) -> Judgement:
        """Compare names and shapes of the file with what the targets come to on this base."""
        package, base = snapshot["package"], snapshot["base"]
        view = read_adapter(package)
        if package is None or package["weights"] is None:
            return Judgement((self._no_weights(),))
        weights = package["weights"]
        if weights["error"] is not None:
            return Judgement((self._broken(weights["error"]),))
        if view.config is None:
            return Judgement(
                (
                    self.lacking(
                        f"Without a valid {CONFIG_FILE} nothing says which tensors belong here.",
                        fix=f"Mend {CONFIG_FILE} first; TEC-01 says how.",
                        object=CONFIG_FILE,
                    ),
                )
            )
        if base is None:
            return Judgement((self._no_base(),))
        findings = self._targets(view.config, base)
        plans = adapter_plans(view, base)
        findings += self._tensors(weights, base, plans) + self._others(package)
        values = {"modules": len(plans), "tensors": len(weights["tensors"])}
        if not findings:
            findings.append(
                self.passed(
                    f"{len(plans)} modules of the base have their pair of matrices.",
                    object=WEIGHTS_FILE,
                )
            )
        return Judgement(tuple(findings), values)

    def _no_weights(self) -> Finding:
        return self.failed(
            f"The package has no {WEIGHTS_FILE}.",
            fix="Save the adapter with PEFT's save_pretrained, which writes safetensors.",
            object=WEIGHTS_FILE,
        )

    def _broken(self, error: dict[str, str]) -> Finding:
        return self.failed(
            f"The tensors of {WEIGHTS_FILE} can't be listed: {shown(error['message'], limit=240)}.",
            fix=error["fix"],
            object=error["tensor"] or WEIGHTS_FILE,
        )

    def _no_base(self) -> Finding:
        return self.lacking(
            "The base model is not known, so no shape can be compared.",
            fix="Register the base model, or name it with --base.",
            object="base",
        )

    def _targets(self, config: LoraConfig, base: BaseSection) -> list[Finding]:
        where, layers = f"{CONFIG_FILE}:target_modules", layer_count(base)
        findings = [
            self.failed(
                f"The target {shown(target)} matches no module of the base "
                f"({base['architecture']}).",
                fix="Choose the base that the adapter was trained for, or remove the target.",
                object=where,
            )
            for target in unmatched_targets(config, base["shapes"])
        ]
        if isinstance(config.target_modules, str) and not expand_targets(config, base["shapes"]):
            findings.append(
                self.failed(
                    f"target_modules {shown(config.target_modules)} matches no module of the base "
                    f"({base['architecture']}).",
                    fix="Mend the pattern: it has to match whole module paths of the base.",
                    object=where,
                )
            )
        findings += [
            self.failed(
                f"target_modules {shown(config.target_modules)} matches {container}, which is no "
                "linear layer; PEFT can't load that.",
                fix="Mend the pattern: it has to match whole paths of linear layers only.",
                object=where,
            )
            for container in matched_containers(config, base["shapes"])
        ]
        for module in expand_targets(config, base["shapes"]):
            if not is_linear(module):
                findings.append(
                    self.failed(
                        f"{module} is an embedding or the output head; engines serve adapters of "
                        "linear layers only.",
                        fix=f"Retrain without {module} among the targets.",
                        object=where,
                    )
                )
        for layer in config.layers_to_transform:
            if not 0 <= layer < layers:
                findings.append(
                    self.failed(
                        f"layers_to_transform names layer {layer}, the base has layers 0 to "
                        f"{layers - 1}.",
                        fix="Choose the base that the adapter was trained for.",
                        object=f"{CONFIG_FILE}:layers_to_transform",
                    )
                )
        return shortened(findings)

    def _tensors(
        self, weights: WeightsFacts, base: BaseSection, plans: dict[str, ModulePlan]
    ) -> list[Finding]:
        counted = Counter(tensor["name"] for tensor in weights["tensors"])
        twice = [name for name, count in counted.items() if count > 1]
        findings = [
            self.failed(
                f"{shown(name, limit=160)} stands {counted[name]} times in the file.",
                fix="Save the adapter again with PEFT.",
                object=shown(name, limit=160),
            )
            for name in twice
        ]
        found = {tensor["name"]: tensor["shape"] for tensor in weights["tensors"]}
        kinds: dict[str, list[Finding]] = {}
        layers = layer_count(base)
        for problem in tensor_problems(found, plans, base_shapes(base)):
            kind = "missing" if problem.key not in found else problem.message.split(" ")[1]
            kinds.setdefault(kind, []).append(self._problem(problem, layers))
        for group in kinds.values():
            findings += shortened(group, shown=8)
        return findings

    def _others(self, package: PackageFacts) -> list[Finding]:
        return shortened(
            self.failed(
                f"{shown(file['path'], limit=160)} is another file of weights, which nothing "
                f"judges; an adapter's weights are in {WEIGHTS_FILE}.",
                fix=f"Leave {shown(file['path'], limit=160)} out of the package.",
                object=shown(file["path"], limit=160),
            )
            for file in package["files"]
            if file["path"] != WEIGHTS_FILE and file["kind"] == "safetensors"
        )

    def _problem(self, problem: ConfigProblem, layers: int) -> Finding:
        layer = layer_of(problem.key)
        message = f"{shown(problem.message, limit=320)}."
        if layer >= layers:
            message += f" Layer {layer} is beyond the base's last, {layers - 1}."
        return self.failed(
            message, fix=problem.fix, object=shown(problem.key, limit=160) or WEIGHTS_FILE
        )
