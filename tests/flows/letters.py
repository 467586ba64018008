"""A random little Llama whose tokens are single letters: an answer's text names its tokens."""

import json
import os
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import torch
from tokenizers import Tokenizer, decoders, models
from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from tests.serving.engines.tiny import TEMPLATE, Judge, Package, make_adapter

LETTERS = "\n" + "".join(chr(code) for code in range(32, 127))
FILES = ("adapter_config.json", "adapter_model.safetensors")


def write_base(folder: Path, *, seed: int = 11) -> Path:
    """A 3-layer Llama that can't end an answer by itself: the special tokens never win."""
    torch.manual_seed(seed)
    tokenizer = _tokenizer()
    begin, end = (tokenizer.convert_tokens_to_ids(t) for t in ("<|im_start|>", "<|im_end|>"))
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=3,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=1024,
        initializer_range=0.15,
        tie_word_embeddings=True,
        bos_token_id=begin,
        eos_token_id=end,
    )
    model = LlamaForCausalLM(config)
    with torch.no_grad():  # tied: a zero row has the logit 0, and others are always above it
        model.model.embed_tokens.weight[[begin, end]] = 0.0
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def _tokenizer() -> PreTrainedTokenizerFast:
    vocabulary = {letter: index for index, letter in enumerate(LETTERS)}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    tokenizer.decoder = decoders.Fuse()
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token="<|im_start|>", eos_token="<|im_end|>"
    )
    fast.chat_template = TEMPLATE
    return fast


def write_package(
    base: Path, folder: Path, *, base_name: str, seed: int, rank: int
) -> dict[str, bytes]:
    """Path → bytes of an adapter with random A and B, as PEFT saves it; also under ``folder``."""
    made = make_adapter(base, folder, seed=seed, strength=0.5, r=rank, lora_alpha=2 * rank)
    config = json.loads((made.folder / FILES[0]).read_text())
    config["base_model_name_or_path"] = base_name
    (made.folder / FILES[0]).write_text(json.dumps(config))
    return {name: (made.folder / name).read_bytes() for name in FILES}


class Explainer:
    """Plain transformers and PEFT: which version would have said an answer, token by token."""

    def __init__(self, base: Path, packages: dict[str, Path | None]) -> None:
        """``packages``: runtime name → folder of the adapter, None for the base itself."""
        self._base, self._packages = base, packages
        self._tokenizer = AutoTokenizer.from_pretrained(base)

    @cached_property
    def _judges(self) -> dict[str, Judge]:
        return {
            name: Judge(self._base, folder and Package(folder, "", name))
            for name, folder in self._packages.items()
        }

    def explaining(self, asked: str | Sequence[dict[str, str]], answer: str) -> set[str]:
        """The names of the versions that explain ``answer`` to a prompt or to chat messages."""
        prompt, tokens = self._tokens_asked(asked), self._tokens(answer)
        return {name for name, judge in self._judges.items() if judge.explains(prompt, tokens)}

    def is_explained_by(
        self, name: str, asked: str | Sequence[dict[str, str]], answer: str
    ) -> bool:
        """Whether the version with this runtime name explains ``answer``."""
        return self._judges[name].explains(self._tokens_asked(asked), self._tokens(answer))

    def _tokens_asked(self, asked: Any) -> list[int]:
        if isinstance(asked, str):
            return self._tokens(asked)
        return list(
            self._tokenizer.apply_chat_template(
                asked, add_generation_prompt=True, tokenize=True, return_dict=False
            )
        )

    def _tokens(self, text: str) -> list[int]:
        tokens: list[int] = self._tokenizer.encode(text, add_special_tokens=False)
        assert len(tokens) == len(text), "each letter is one token"
        return tokens
