"""A random little Llama with a byte tokenizer, random adapters on it, and PEFT as the judge."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers

# peft and transformers take seconds: only where they are used.
from serving.node.packages import folder_digest

torch.set_num_threads(1)

ALL_SEVEN = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
TEMPLATE = (
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' + "
    "message['content'] + '<|im_end|>' + '\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
TIE = 1e-3
"""A token whose logit is this near to the top one counts as the top one."""


def make_base(folder: Path, *, seed: int = 7, dtype: torch.dtype = torch.float32) -> Path:
    """A 3-layer Llama, tied, 4 query heads on 2 key heads; its end token is hard to reach."""
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(seed)
    tokenizer = _byte_tokenizer()
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
        bos_token_id=tokenizer.convert_tokens_to_ids("<|im_start|>"),
        eos_token_id=tokenizer.convert_tokens_to_ids("<|im_end|>"),
    )
    model = LlamaForCausalLM(config).to(dtype)
    with torch.no_grad():  # a random model would end at random; a zero row never wins
        model.model.embed_tokens.weight[config.eos_token_id] = 0.0
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def _byte_tokenizer() -> Any:
    from transformers import PreTrainedTokenizerFast

    symbols = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {symbol: index for index, symbol in enumerate(symbols)}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token="<|im_start|>", eos_token="<|im_end|>"
    )
    fast.chat_template = TEMPLATE
    return fast


@dataclass(frozen=True)
class Package:
    """A saved adapter: its folder, manifest digest and name on a node."""

    folder: Path
    digest: str
    name: str


def make_adapter(
    base: Path,
    folder: Path,
    *,
    seed: int,
    strength: float = 0.15,
    slug: str = "triage",
    dtype: torch.dtype = torch.float32,
    **settings: Any,
) -> Package:
    """A PEFT adapter with random A and B (B is not zero), saved by PEFT."""
    from peft import LoraConfig, get_peft_model
    from transformers import LlamaForCausalLM

    torch.manual_seed(seed)
    settings = {"r": 8, "lora_alpha": 16, "target_modules": list(ALL_SEVEN), **settings}
    model = get_peft_model(
        LlamaForCausalLM.from_pretrained(base, dtype=torch.float32),
        LoraConfig(task_type="CAUSAL_LM", **settings),
    )
    with torch.no_grad():
        for name, tensor in model.named_parameters():
            if "lora_" in name:
                tensor.normal_(0.0, strength / tensor.shape[1] ** 0.5)
    model.to(dtype).save_pretrained(folder)
    digest = folder_digest(folder)
    return Package(folder, digest, f"{slug}@{digest[:12]}")


class Judge:
    """transformers and PEFT with at most one adapter, in f32."""

    def __init__(self, base: Path, package: Package | None = None) -> None:
        from peft import PeftModel
        from transformers import LlamaForCausalLM

        model: Any = LlamaForCausalLM.from_pretrained(base, dtype=torch.float32)
        if package is not None:
            model = PeftModel.from_pretrained(model, package.folder)
        self.model = model.eval()

    @torch.inference_mode()
    def prefill_logits(self, tokens: list[int]) -> torch.Tensor:
        """Logits after ``tokens``, computed in one go (tokens × vocab)."""
        logits: torch.Tensor = self.model(torch.tensor([tokens])).logits[0]
        return logits

    @torch.inference_mode()
    def decode_logits(self, prompt: list[int], answer: list[int]) -> torch.Tensor:
        """Logits before each token of ``answer``: the prompt at once, then token by token."""
        out = self.model(torch.tensor([prompt]), use_cache=True)
        rows = [out.logits[0, -1]]
        for token in answer[:-1]:
            out = self.model(
                torch.tensor([[token]]), past_key_values=out.past_key_values, use_cache=True
            )
            rows.append(out.logits[0, -1])
        return torch.stack(rows)

    def explains(self, prompt: list[int], answer: list[int]) -> bool:
        """Whether each greedy token of ``answer`` is this model's top one, ties counted."""
        logits = self.prefill_logits([*prompt, *answer])[len(prompt) - 1 : -1]
        chosen = logits.gather(1, torch.tensor(answer)[:, None])[:, 0]
        return bool((chosen >= logits.max(dim=-1).values - TIE).all())
