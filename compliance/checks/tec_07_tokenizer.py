"""TEC-07: tokenizer and base agree, and the adapter really generates on its base."""

from typing import ClassVar

from compliance.domain.adapter import shown
from compliance.domain.check import PACKAGE, Check, Judgement
from compliance.domain.policy import PolicyPack
from compliance.domain.results import Finding
from compliance.domain.snapshot import (
    BaseSection,
    PackageFacts,
    SmokeSection,
    Snapshot,
    TokenizerFacts,
)


class TokenizerCheck(Check):
    """Vocabulary within the embedding, the base's tokenizer, and prompts that finish."""

    id: ClassVar[str] = "TEC-07"
    version: ClassVar[str] = "2"
    title: ClassVar[str] = "Tokenizer and template compatible"
    authority: ClassVar[str] = "IEC 62304 5.6; GMLP 6"
    tags: ClassVar[frozenset[str]] = frozenset({PACKAGE})

    def judge(self, snapshot: Snapshot, policy: PolicyPack) -> Judgement:
        """Facts of both tokenizers, and of the generation where it was run."""
        package, base, smoke = snapshot["package"], snapshot["base"], snapshot["smoke"]
        if package is None or base is None:
            return Judgement(
                (
                    self.lacking(
                        "The base model's tokenizer is not known.",
                        fix="Register the base model, or name it with --base.",
                        object="base",
                    ),
                )
            )
        findings = self._base(base)
        tokenizer = package["tokenizer"]
        is_other = tokenizer is not None and tokenizer["sha256"] != base["tokenizer_sha256"]
        if tokenizer is not None and is_other:
            findings += self._tokenizer(tokenizer)
        findings += self._declared(package, error="" if is_other else package.get("tokens_error"))
        findings += self._special(package["special_token_ids"], base)
        findings += self._smoke(smoke)
        if not any(finding.is_blocking for finding in findings):
            own = "has the base's tokenizer" if tokenizer else "uses the base's tokenizer"
            findings.insert(0, self.passed(f"The package {own}.", object="tokenizer.json"))
        values = {
            "vocab_size": base["vocab_size"],
            "embedding_rows": base["embedding_rows"],
            "tokenizer_sha256": tokenizer["sha256"] if tokenizer else base["tokenizer_sha256"],
            "smoke": smoke,
        }
        return Judgement(tuple(findings), values)

    def _base(self, base: BaseSection) -> list[Finding]:
        findings = []
        if base["vocab_size"] > base["embedding_rows"]:
            findings.append(
                self.failed(
                    f"The base's tokenizer has {base['vocab_size']} tokens, its embedding "
                    f"{base['embedding_rows']} rows.",
                    fix="Import the base model again; its tokenizer belongs to another model.",
                    object="base:tokenizer.json",
                )
            )
        for name, token_id in sorted(base["special_token_ids"].items()):
            if token_id is not None and token_id >= base["embedding_rows"]:
                findings.append(
                    self.failed(
                        f"The base's {name} has id {token_id}, beyond its embedding.",
                        fix="Import the base model again.",
                        object=f"base:{name}",
                    )
                )
        return findings

    def _tokenizer(self, own: TokenizerFacts) -> list[Finding]:
        path = own["path"]
        if own["error"]:
            return [
                self.failed(
                    f"{path} differs from the base's and can't be compared: {shown(own['error'])}.",
                    fix=f"Leave {path} out of the package; the base's tokenizer is used.",
                    object=path,
                )
            ]
        findings = [
            self.failed(
                f"The added token {shown(token)} has no embedding row.",
                fix="Retrain without added tokens; modules_to_save is not served.",
                object=path,
            )
            for token in own["added_tokens"][:10]
        ]
        differences = [
            text
            for number, text in (
                (own["removed_tokens"], f"lacks {own['removed_tokens']} tokens of the base"),
                (own["moved_tokens"], f"gives {own['moved_tokens']} tokens another id"),
                (
                    own["different_texts"],
                    f"encodes {own['different_texts']} of {own['compared_texts']} medical texts "
                    "otherwise",
                ),
            )
            if number
        ]
        parts = own.get("changed_parts", [])
        if parts and not own["added_tokens"]:
            differences.append(f"changed {', '.join(parts)}")
        if differences:
            findings.append(
                self.failed(
                    f"{path} {', '.join(differences)}.",
                    fix=f"Leave {path} out, or retrain with the base's tokenizer.",
                    object=path,
                )
            )
        if not findings:
            findings.append(
                self.warned(
                    f"{path} has other bytes than the base's, but encodes all "
                    f"{own['compared_texts']} medical texts alike.",
                    fix=f"Leave {path} out of the package; the base's is used.",
                    object=path,
                )
            )
        return findings

    def _declared(self, package: PackageFacts, *, error: str | None) -> list[Finding]:
        if error:
            return [
                self.failed(
                    f"What the package says about its tokens can't be compared: {shown(error)}.",
                    fix="Leave the tokenizer's files out of the package; the base's are used.",
                    object="tokenizer_config.json",
                )
            ]
        return [
            self.failed(
                f"{row['path']} declares the token {shown(row['token'])}, which the base has not "
                "or has under another id.",
                fix="Retrain without added tokens; modules_to_save is not served.",
                object=row["path"],
            )
            for row in package.get("declared_tokens", [])
        ]

    def _special(self, own: dict[str, int | None], base: BaseSection) -> list[Finding]:
        findings = []
        for key, token_id in sorted(own.items()):
            path, name = key.split(":") if ":" in key else ("tokenizer_config.json", key)
            wanted = base["special_token_ids"].get(name)
            # A pad token says nothing about answers, and trainers often choose one of their own.
            if token_id == wanted or name == "pad_token":
                continue
            findings.append(
                self.failed(
                    f"The package's {name} has id {token_id}, the base's {wanted}.",
                    fix=f"Leave {path} out, or retrain with the base's tokenizer.",
                    object=f"{path}:{name}",
                )
            )
        return findings

    def _smoke(self, smoke: SmokeSection | None) -> list[Finding]:
        if smoke is None:
            return [
                self.not_applicable(
                    "Generation was not tried here: it needs a node.",
                    fix="Run check_adapter with --smoke, or evaluate the version on a node.",
                    object="generation",
                )
            ]
        if smoke["error"] or smoke["finished"] < smoke["prompts"] or not smoke["prompts"]:
            why = f": {shown(smoke['error'], limit=160)}" if smoke["error"] else ""
            return [
                self.failed(
                    f"{smoke['finished']} of {smoke['prompts']} prompts finished{why}.",
                    fix="Load the adapter with PEFT on this base and look at the error.",
                    object="generation",
                )
            ]
        if smoke["finite"] < smoke["prompts"]:
            return [
                self.failed(
                    f"{smoke['prompts'] - smoke['finite']} of {smoke['prompts']} prompts gave "
                    "logits that are not finite.",
                    fix="Use an earlier checkpoint; training diverged.",
                    object="generation",
                )
            ]
        return [
            self.passed(
                f"{smoke['finished']} prompts finished with finite logits.", object="generation"
            )
        ]
