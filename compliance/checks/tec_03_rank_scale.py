"""TEC-03: ranks fit the engine and the scale is one that adapters have."""

from typing import ClassVar

from compliance.domain.adapter import CONFIG_FILE, adapter_plans, read_adapter, shown
from compliance.domain.check import PACKAGE, Check, Judgement, shortened
from compliance.domain.policy import PolicyPack
from compliance.domain.results import Finding, decimal
from compliance.domain.snapshot import PackageFacts, Snapshot
from registry.domain.packages import WEIGHTS_FILE
from registry.domain.peft import LoraConfig, ModulePlan, idle_patterns, module_of


class RankScaleCheck(Check):
    """1 ≤ rank ≤ the engine's maximum blocks; alpha/r or alpha/√r outside 0.25 to 8 warns."""

    id: ClassVar[str] = "TEC-03"
    version: ClassVar[str] = "2"
    title: ClassVar[str] = "Rank and scale in range"
    authority: ClassVar[str] = "Engine profile; rsLoRA arXiv 2312.03732"
    tags: ClassVar[frozenset[str]] = frozenset({PACKAGE})

    def judge(self, snapshot: Snapshot, policy: PolicyPack) -> Judgement:
        """Ranks of configuration, patterns and file, and the scale of every module."""
        view, engine = read_adapter(snapshot["package"]), snapshot["engine"]
        if view.config is None or snapshot["package"] is None:
            return Judgement(
                (
                    self.lacking(
                        f"Rank and scale are not known: {shown(view.error, limit=200)}.",
                        fix=f"Mend {CONFIG_FILE} first; TEC-01 says how.",
                        object=CONFIG_FILE,
                    ),
                )
            )
        config, plans = view.config, adapter_plans(view, snapshot["base"])
        findings = self._ranks(config, engine["max_lora_rank"], engine["name"])
        findings += self._file_ranks(snapshot["package"], plans)
        findings += self._scales(config, plans, policy) + self._idle(config, plans)
        ranks = {config.r, *(plan.rank for plan in plans.values())}
        scales = {decimal(plan.scale) for plan in plans.values()}
        if not findings:
            findings.append(
                self.passed(
                    f"Rank {config.r}, at most {max(ranks)}; the engine allows "
                    f"{engine['max_lora_rank']}.",
                    object=CONFIG_FILE,
                )
            )
        return Judgement(
            tuple(findings),
            {"ranks": sorted(ranks), "scales": sorted(scales)[:20], "rslora": config.use_rslora},
            {
                "max_lora_rank": engine["max_lora_rank"],
                "scale": [decimal(policy.scale_low), decimal(policy.scale_high)],
            },
        )

    def _ranks(self, config: LoraConfig, maximum: int, engine: str) -> list[Finding]:
        ranks = {f"{CONFIG_FILE}:r": config.r}
        for pattern, rank in config.rank_pattern.items():
            ranks[f"{CONFIG_FILE}:rank_pattern.{shown(pattern)}"] = rank
        return shortened(
            self.failed(
                f"r={rank}, engine {engine} allows 1 to {maximum}.",
                fix="Raise max_lora_rank of the engine, or retrain with a smaller rank.",
                object=where,
            )
            for where, rank in ranks.items()
            if not 1 <= rank <= maximum
        )

    def _file_ranks(self, package: PackageFacts, plans: dict[str, ModulePlan]) -> list[Finding]:
        findings = []
        weights = package["weights"]
        for tensor in weights["tensors"] if weights else []:
            place, shape = module_of(tensor["name"]), tensor["shape"]
            if place is None or place[0] not in plans or len(shape) != 2:
                continue
            in_file, wanted = shape[0 if place[1] == "A" else 1], plans[place[0]].rank
            if in_file != wanted:
                findings.append(
                    self.failed(
                        f"{WEIGHTS_FILE} has rank {in_file} for {place[0]}, the configuration "
                        f"says {wanted}.",
                        fix="Mend r or rank_pattern, or save the adapter again with PEFT.",
                        object=tensor["name"],
                    )
                )
        return shortened(findings)

    def _scales(
        self, config: LoraConfig, plans: dict[str, ModulePlan], policy: PolicyPack
    ) -> list[Finding]:
        odd: dict[str, list[str]] = {}
        for plan in plans.values():
            if not policy.scale_low <= plan.scale <= policy.scale_high:
                odd.setdefault(decimal(plan.scale), []).append(plan.module)
        formula = "alpha/sqrt(r)" if config.use_rslora else "alpha/r"
        return shortened(
            self.warned(
                f"{formula} is {scale} for {len(modules)} modules, usual is "
                f"{policy.scale_low:g} to {policy.scale_high:g}.",
                fix="Look at lora_alpha and use_rslora: was the adapter trained with this scale?",
                object=modules[0],
            )
            for scale, modules in sorted(odd.items())
        )

    def _idle(self, config: LoraConfig, plans: dict[str, ModulePlan]) -> list[Finding]:
        """Patterns without effect: the configuration says what the adapter does not do."""
        return shortened(
            self.warned(
                f"{key} names {shown(pattern)}, which is none of the targeted modules.",
                fix=f"Remove it from {key}, or mend it: was it trained with this rank and scale?",
                object=f"{CONFIG_FILE}:{key}.{shown(pattern)}",
            )
            for key, patterns in (
                ("rank_pattern", config.rank_pattern),
                ("alpha_pattern", config.alpha_pattern),
            )
            for pattern in (idle_patterns(patterns, plans) if plans else ())
        )
