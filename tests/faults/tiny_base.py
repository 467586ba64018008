"""A tiny Llama base folder with real shapes and a real tokenizer, made in milliseconds."""

import json
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file
from tokenizers import Tokenizer, decoders, models, pre_tokenizers

HIDDEN, KV, INNER, LAYERS, VOCAB = 48, 16, 96, 6, 300
NAME = "tiny-llama"
TEMPLATE = "{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}"
KINDS: dict[str, tuple[int, int]] = {
    "self_attn.q_proj": (HIDDEN, HIDDEN),
    "self_attn.k_proj": (KV, HIDDEN),
    "self_attn.v_proj": (KV, HIDDEN),
    "self_attn.o_proj": (HIDDEN, HIDDEN),
    "mlp.gate_proj": (INNER, HIDDEN),
    "mlp.up_proj": (INNER, HIDDEN),
    "mlp.down_proj": (HIDDEN, INNER),
}
MODULES: dict[str, tuple[int, int]] = {
    f"model.layers.{layer}.{kind}": shape
    for layer in range(LAYERS)
    for kind, shape in KINDS.items()
}


def byte_tokenizer(*extra: str) -> Tokenizer:
    """Bytes as tokens, so that every text has ids; ``extra`` are added tokens."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {symbol: index for index, symbol in enumerate(["<|end|>", *alphabet])}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[], unk_token=None))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(["<|end|>"])
    if extra:
        tokenizer.add_tokens(list(extra))
    return tokenizer


def write_base(folder: Path, *, seed: int = 0) -> Path:
    """A base model folder as save_pretrained writes it; transformers can load it."""
    folder.mkdir(parents=True, exist_ok=True)
    config = {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "hidden_size": HIDDEN,
        "intermediate_size": INNER,
        "num_hidden_layers": LAYERS,
        "num_attention_heads": 3,
        "num_key_value_heads": 1,
        "head_dim": 16,
        "max_position_embeddings": 256,
        "rms_norm_eps": 1e-5,
        "tie_word_embeddings": True,
        "vocab_size": VOCAB,
        "bos_token_id": None,
        "eos_token_id": 0,
        "torch_dtype": "float32",
        "_name_or_path": NAME,
    }
    (folder / "config.json").write_text(json.dumps(config, indent=2))
    random = np.random.default_rng(seed)
    tensors = {"model.embed_tokens.weight": _normal(random, (VOCAB, HIDDEN))}
    tensors["model.norm.weight"] = np.ones(HIDDEN, np.float32)
    for layer in range(LAYERS):
        for name in ("input_layernorm", "post_attention_layernorm"):
            tensors[f"model.layers.{layer}.{name}.weight"] = np.ones(HIDDEN, np.float32)
    for module, shape in MODULES.items():
        tensors[f"{module}.weight"] = _normal(random, shape)
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    byte_tokenizer().save(str(folder / "tokenizer.json"))
    tokenizer_config = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "eos_token": "<|end|>",
        "pad_token": "<|end|>",
        "model_max_length": 256,
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(tokenizer_config))
    (folder / "chat_template.jinja").write_text(TEMPLATE)
    return folder


def _normal(random: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
    return (random.standard_normal(shape) * 0.05).astype(np.float32)
