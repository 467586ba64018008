"""The frozen facts that checks judge: plain JSON without floats, hashed once, replayable for ever.

Decimals are rounded strings, moments are UTC ISO 8601 texts that end in Z, digests are 64 hex
characters. A section that was not gathered is None; the check that needs it says what that means.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NotRequired, TypedDict

from config.core.digests import canonical_json, sha256_hex
from registry.domain.base_folder import BaseFacts

SCHEMA = "snapshot-1"
FOLDER, VERSION = "folder", "version"


class FileFacts(TypedDict):
    """A file of the package. ``kind``: what its content is (``file_kinds``), not what it is named.

    ``dangers``: names that unpickling it would import, or what else makes it executable.
    ``code_keys``: members of a JSON file that make a loader import or run something.
    """

    path: str
    size_bytes: int
    sha256: str
    kind: str
    dangers: list[str]
    code_keys: list[str]


class TensorFacts(TypedDict):
    """A tensor. Counts of bad numbers are None where the dtype is not one that is read.

    ``overflow``: finite numbers whose magnitude is 65504 or more, the end of F16.
    """

    name: str
    dtype: str
    shape: list[int]
    nan: int | None
    inf: int | None
    overflow: int | None
    nonzero: int | None


class UpdateFacts(TypedDict):
    """B @ A of one module before scaling: Frobenius norm and stable rank; None if not finite."""

    module: str
    norm: str | None
    stable_rank: str | None


class WeightsFacts(TypedDict):
    """The weights file; ``error`` says why its header can't be read, then ``tensors`` is empty."""

    path: str
    error: dict[str, str] | None
    tensors: list[TensorFacts]
    updates: list[UpdateFacts]
    metadata: dict[str, str]


class TokenizerFacts(TypedDict):
    """The package's own tokenizer against the base's; ``error`` if it could not be compared.

    ``different_texts``: how many of ``compared_texts`` medical texts get other ids;
    ``changed_parts``: its parts that are not the base's, as the tokenizers library reads them.
    """

    path: str
    sha256: str
    error: str
    vocab_size: int
    added_tokens: list[str]
    removed_tokens: int
    moved_tokens: int
    compared_texts: int
    different_texts: int
    changed_parts: NotRequired[list[str]]


class PackageFacts(TypedDict):
    """What the files of a version say. ``config_text``: adapter_config.json as it is, or None.

    ``special_token_ids``: by name, with ``file:`` before it where it is no tokenizer_config.json;
    ``declared_tokens``: tokens beside tokenizer.json that the base has not, or not with this id;
    ``tokens_error``: why the package's tokenizer files could not be compared at all.
    """

    files: list[FileFacts]
    faults: list[dict[str, str]]
    manifest_sha256: str
    config_text: str | None
    config_error: str
    weights: WeightsFacts | None
    headers: dict[str, dict[str, str]]
    templates: list[dict[str, str]]
    special_token_ids: dict[str, int | None]
    tokenizer: TokenizerFacts | None
    declared_tokens: NotRequired[list[dict[str, str]]]
    tokens_error: NotRequired[str]


class BaseSection(TypedDict):
    """The base model; ``names``: all names by which an adapter may declare it.

    ``weights_sha256``: of its weights file alone, which a package may also mean by its digest.
    """

    names: list[str]
    digest: str
    architecture: str
    shapes: dict[str, list[int]]
    vocab_size: int
    embedding_rows: int
    special_token_ids: dict[str, int | None]
    tokenizer_sha256: str
    chat_template_sha256: str | None
    weights_sha256: NotRequired[str]


class EngineSection(TypedDict):
    """What the engine can do that is to serve the version; ``build`` is empty if none is chosen.

    ``accepts``: keys of adapter_config.json that this engine serves though most refuse them.
    """

    name: str
    build: str
    dtype: str
    max_lora_rank: int
    allowed_dtypes: list[str]
    accepts: list[str]


class Stratum(TypedDict):
    """A population that a label names: an attribute of the items and its level.

    ``name``: as people call it; ``target_share``: its share of the patients, as a decimal text,
    where the label states one.
    """

    attribute: str
    level: str
    name: NotRequired[str]
    target_share: NotRequired[str]


class LabelSection(TypedDict):
    """The part of the label that checks need. ``task_kind``: classification or binary.

    ``positive_class``: the class whose sensitivity is judged when the task is binary.
    """

    safety_class: str
    task_kind: str
    positive_class: NotRequired[str]
    strata: list[Stratum]


class Row(TypedDict):
    """An item's answer: keyed item hash, expected and given class, levels of its attributes."""

    item: str
    expected: str
    given: str
    groups: dict[str, str | None]


class EvaluationSection(TypedDict):
    """One recorded run on one locked set; ``correct`` and ``items`` are the stored metrics."""

    run: str
    set_name: str
    set_version: str
    set_sha256: str
    finished_at: str
    adapter_sha256: str
    base_sha256: str
    tokenizer_sha256: str
    prompt_template_sha256: str
    engine_build: str
    dtype: str
    metric_code: str
    correct: int
    items: int
    rows: list[Row]


class IdentitySection(TypedDict):
    """What an evaluation must have been made with to belong to this version.

    ``prompt_templates``: set digest → digest of the template that this set is asked with now.
    ``engine_build`` and ``dtype`` are empty where no engine is chosen; then they are not compared.
    """

    adapter_sha256: str
    base_sha256: str
    tokenizer_sha256: str
    prompt_templates: dict[str, str]
    engine_build: str
    dtype: str


class ReplacedSection(TypedDict):
    """The version that this one would replace; ``updates`` from ``adapter.scaled_updates``."""

    version: str
    evaluations: list[EvaluationSection]
    updates: list[UpdateFacts]


class RegisteredFile(TypedDict):
    """A file as it was registered."""

    path: str
    sha256: str
    size_bytes: int


class RegisteredSection(TypedDict):
    """What the registry wrote down when the version was made."""

    manifest_sha256: str
    files: list[RegisteredFile]
    base_sha256: str


class SmokeSection(TypedDict):
    """Generation with the adapter on its base: how many prompts finished, with finite logits."""

    prompts: int
    finished: int
    finite: int
    error: str


class Snapshot(TypedDict):
    """Everything that one run of checks sees.

    ``scope``: ``folder`` for a package by itself, outside any registry; ``version`` for a
    registered one, where a missing section is missing evidence.
    """

    schema: str
    scope: str
    now: str | None
    package: PackageFacts | None
    base: BaseSection | None
    engine: EngineSection
    label: LabelSection | None
    identity: IdentitySection | None
    evaluations: list[EvaluationSection]
    replaced: ReplacedSection | None
    registered: RegisteredSection | None
    smoke: SmokeSection | None


TORCH_ENGINE: EngineSection = {
    "name": "torch",
    "build": "",
    "dtype": "",
    "max_lora_rank": 64,
    "allowed_dtypes": ["BF16", "F16", "F32"],
    "accepts": [],
}
"""The reference engine, where no other profile is chosen."""


def assemble(
    *,
    package: PackageFacts | None,
    base: BaseSection | None,
    engine: EngineSection = TORCH_ENGINE,
    label: LabelSection | None = None,
    identity: IdentitySection | None = None,
    evaluations: Sequence[EvaluationSection] = (),
    replaced: ReplacedSection | None = None,
    registered: RegisteredSection | None = None,
    smoke: SmokeSection | None = None,
    now: str | None = None,
    scope: str = VERSION,
) -> Snapshot:
    """A snapshot of the given sections."""
    return {
        "schema": SCHEMA,
        "scope": scope,
        "now": now,
        "package": package,
        "base": base,
        "engine": engine,
        "label": label,
        "identity": identity,
        "evaluations": list(evaluations),
        "replaced": replaced,
        "registered": registered,
        "smoke": smoke,
    }


def base_section(facts: BaseFacts, *, names: Sequence[str]) -> BaseSection:
    """The base's part of a snapshot; ``names`` as registered."""
    return {
        "names": sorted(set(names)),
        "digest": facts.digest,
        "architecture": facts.architecture,
        "shapes": {module: [out, inn] for module, (out, inn) in sorted(facts.shapes.items())},
        "vocab_size": facts.vocab_size,
        "embedding_rows": facts.embedding_rows,
        "special_token_ids": dict(facts.special_token_ids),
        "tokenizer_sha256": facts.tokenizer_sha256,
        "chat_template_sha256": facts.chat_template_sha256,
        "weights_sha256": facts.weights_sha256,
    }


def snapshot_sha256(snapshot: Snapshot | Mapping[str, Any]) -> str:
    """SHA-256 of the snapshot's canonical JSON.

    Raises:
        TypeError: a float is inside; the message names the place.
    """
    return sha256_hex(canonical_json(snapshot))
