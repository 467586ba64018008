"""A random little Llama whose tokens are single letters: an answer's text names its tokens."""

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import torch
from tokenizers import Tokenizer, decoders, models

# transformers takes seconds: only where it is used.
from tests.serving.engines.tiny import TEMPLATE, TIE, Judge, Package, make_adapter

LETTERS = "\n" + "".join(chr(code) for code in range(32, 127))
BATCH_ROWS = 32
Asked = str | Sequence[dict[str, str]]
"""A prompt, or chat messages."""
FILES = ("adapter_config.json", "adapter_model.safetensors")


def write_base(folder: Path, *, seed: int = 11) -> Path:
    """A 3-layer Llama that can't end an answer by itself: the special tokens never win."""
    from transformers import LlamaConfig, LlamaForCausalLM

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


def _tokenizer() -> Any:
    from transformers import PreTrainedTokenizerFast

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
    """Plain transformers and PEFT: which versions would have said an answer, token by token."""

    def __init__(self, base: Path, packages: Mapping[str, Path | None]) -> None:
        """``packages``: runtime name → folder of the adapter, None for the base itself."""
        from transformers import AutoTokenizer

        self._tokenizer = AutoTokenizer.from_pretrained(base)
        self._models = {
            name: Judge(base, folder and Package(folder, "", name)).model
            for name, folder in packages.items()
        }

    def explaining(
        self, answers: Sequence[tuple[Asked, str]], *, names: Sequence[str] = ()
    ) -> list[set[str]]:
        """For each (asked, answer) the versions (all, or ``names``) of which each token is a top
        one."""
        rows = [(self._tokens_asked(asked), self._tokens(answer)) for asked, answer in answers]
        found: list[set[str]] = [set() for _ in rows]
        for name in names or self._models:
            model = self._models[name]
            for begin in range(0, len(rows), BATCH_ROWS):
                verdicts = _explains(model, rows[begin : begin + BATCH_ROWS])
                for index, is_explained in enumerate(verdicts, start=begin):
                    if is_explained:
                        found[index].add(name)
        return found

    def _tokens_asked(self, asked: Asked) -> list[int]:
        if isinstance(asked, str):
            return self._tokens(asked)
        text = self._tokenizer.apply_chat_template(
            list(asked), add_generation_prompt=True, tokenize=False
        )
        tokens: list[int] = self._tokenizer.encode(text, add_special_tokens=False)
        return tokens

    def _tokens(self, text: str) -> list[int]:
        tokens: list[int] = self._tokenizer.encode(text, add_special_tokens=False)
        assert len(tokens) == len(text), "each letter is one token"
        return tokens


@torch.inference_mode()
def _explains(model: Any, rows: Sequence[tuple[list[int], list[int]]]) -> list[bool]:
    """Teacher-forced side by side; what is padded on the right changes nothing to its left."""
    width = max(len(prompt) + len(answer) for prompt, answer in rows)
    ids = torch.zeros((len(rows), width), dtype=torch.long)
    mask = torch.zeros_like(ids)
    for row, (prompt, answer) in enumerate(rows):
        ids[row, : len(prompt) + len(answer)] = torch.tensor([*prompt, *answer])
        mask[row, : len(prompt) + len(answer)] = 1
    logits = model(input_ids=ids, attention_mask=mask).logits
    verdicts = []
    for row, (prompt, answer) in enumerate(rows):
        at = logits[row, len(prompt) - 1 : len(prompt) + len(answer) - 1]
        given = at.gather(1, torch.tensor(answer)[:, None])[:, 0]
        verdicts.append(bool((given >= at.max(dim=-1).values - TIE).all()))
    return verdicts
