"""Base folders, adapter packages and registry rows for tests; tiny, but real files."""

import io
import itertools
import json
import tempfile
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save

from config.accounts.models import User
from config.core.actors import SYSTEM, Actor
from registry.domain.packages import CONFIG_FILE, WEIGHTS_FILE
from registry.models import Adapter, BaseModel, Version
from registry.services import adapters, aliases, base_models, versions
from registry.sources.files import FilesSource, GivenFile
from tests.factories import accounts

HIDDEN = 8
LAYERS = 2
VOCABULARY = 16
TARGETS = ("q_proj", "v_proj")
LABEL: Mapping[str, Any] = {
    "purpose": "Sorts notes for the front desk",
    "population": [{"attribute": "age_group", "level": "adult"}],
}
_numbers = itertools.count(1)


def base_folder(folder: Path, *, seed: int = 0) -> Path:
    """A Llama-shaped base of two layers and eight dimensions."""
    folder.mkdir(parents=True, exist_ok=True)
    config = {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "hidden_size": HIDDEN,
        "num_hidden_layers": LAYERS,
        "num_attention_heads": 2,
        "vocab_size": VOCABULARY,
        "tie_word_embeddings": True,
        "eos_token_id": 2,
    }
    vocabulary = {f"t{index}": index for index in range(VOCABULARY)}
    random = np.random.default_rng(seed)
    tensors = {"model.embed_tokens.weight": random.normal(size=(VOCABULARY, HIDDEN))}
    for module in _modules():
        tensors[f"{module}.weight"] = random.normal(size=(HIDDEN, HIDDEN))
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "tokenizer.json").write_text(
        json.dumps({"model": {"vocab": vocabulary}, "added_tokens": []})
    )
    (folder / "tokenizer_config.json").write_text(json.dumps({"eos_token": "t2"}))
    (folder / "model.safetensors").write_bytes(
        save({name: array.astype(np.float32) for name, array in tensors.items()})
    )
    return folder


def package(
    *, rank: int = 4, seed: int = 0, base_name: str = "tiny", **config: Any
) -> dict[str, bytes]:
    """Path → bytes of a small PEFT adapter for ``base_folder``."""
    raw = {
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "base_model_name_or_path": base_name,
        "r": rank,
        "lora_alpha": 8,
        "target_modules": list(TARGETS),
        "bias": "none",
    } | config
    random = np.random.default_rng(seed)
    tensors = {}
    for module in _modules():
        if module.rsplit(".", 1)[-1] in TARGETS:
            name = f"base_model.model.{module}"
            tensors[f"{name}.lora_A.weight"] = random.normal(size=(rank, HIDDEN))
            tensors[f"{name}.lora_B.weight"] = random.normal(size=(HIDDEN, rank))
    weights = save({name: (array * 0.02).astype(np.float32) for name, array in tensors.items()})
    return {CONFIG_FILE: json.dumps(raw).encode(), WEIGHTS_FILE: weights}


def zip_of(files: Mapping[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, data in files.items():
            archive.writestr(path, data)
    return stream.getvalue()


def source(files: Mapping[str, bytes]) -> FilesSource:
    return FilesSource(
        [
            GivenFile(path, len(data), lambda data=data: io.BytesIO(data))  # type: ignore[misc]
            for path, data in files.items()
        ]
    )


def base_model(*, slug: str = "tiny", seed: int = 0, actor: Actor = SYSTEM) -> BaseModel:
    folder = base_folder(Path(tempfile.mkdtemp(prefix="formulary-base-")) / slug, seed=seed)
    return base_models.register(
        folder=folder, slug=slug, declared_names=[f"hub/{slug}"], licence="Apache-2.0", actor=actor
    )


def adapter(
    *, slug: str = "", base: BaseModel | None = None, owner: User | None = None, **values: Any
) -> Adapter:
    base = base or BaseModel.objects.filter(slug="tiny").first() or base_model()
    return adapters.create(
        slug=slug or f"adapter-{next(_numbers)}",
        name=values.pop("name", "Front desk"),
        base_model=base,
        owner=owner or accounts.engineer(),
        actor=SYSTEM,
        **values,
    )


def version(
    *,
    of: Adapter | None = None,
    files: Mapping[str, bytes] | None = None,
    user: User | None = None,
    label: Mapping[str, Any] | None = LABEL,
    version_name: str = "",
) -> Version:
    """A submitted version; each has bytes of its own unless ``files`` says which."""
    of = of or adapter()
    made, _ = versions.submit(
        adapter=of,
        package=source(files or package(seed=next(_numbers))),
        user=user or of.owner,
        actor=SYSTEM,
        label=label,
        version_name=version_name,
    )
    return made


def _modules() -> list[str]:
    return [
        f"model.layers.{layer}.self_attn.{name}"
        for layer in range(LAYERS)
        for name in ("q_proj", "k_proj", "v_proj", "o_proj")
    ]


def go_live(version: Version, *, instead_of: Version | None = None) -> None:
    """The adapter's alias ``live`` names it, as after a promotion."""
    aliases.move(
        adapter=version.adapter,
        name="live",
        to=version,
        expected=instead_of,
        actor=SYSTEM,
        reason="promoted",
        by_serving=True,
    )
