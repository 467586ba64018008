"""The forward pass: decode rows and prefill pieces of many adapters share one step."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import safe_open
from torch.nn import functional

from serving.engines.errors import BaseUnsupported
from serving.engines.llama.cache import KvCache
from serving.engines.llama.config import LlamaConfig, layer_groups, module_path
from serving.engines.llama.linear import Linear
from serving.engines.llama.slab import LoraPlan, LoraSlab


@dataclass(frozen=True, slots=True)
class PrefillPiece:
    """Tokens ``start`` to ``end`` of the step continue the prompt in cache row ``row``.

    ``past`` tokens of it are in the cache already.
    """

    row: int
    past: int
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Step:
    """One forward pass over ``tokens``: first one token a decode row, then the prefill pieces.

    ``positions``: each token's place in its row. ``decode_rows``: cache row of each decode token;
    ``decode_lengths``: how many tokens it attends to, itself included. ``wanted``: the tokens
    whose logits are asked for.
    """

    tokens: torch.Tensor
    positions: torch.Tensor
    decode_rows: torch.Tensor
    decode_lengths: torch.Tensor
    pieces: Sequence[PrefillPiece]
    wanted: torch.Tensor
    lora: LoraPlan


@dataclass(slots=True)
class _Layer:
    attention_norm: torch.Tensor
    mlp_norm: torch.Tensor
    linears: dict[str, Linear]


@dataclass(frozen=True, slots=True)
class _Masks:
    """What each query may look at: added to the scores, 0 or minus infinity."""

    high: int
    length: int
    decode: torch.Tensor | None
    pieces: Sequence[torch.Tensor]


class LlamaModel:
    """Weights, cache and slots of one base model; ``forward`` runs in one thread only."""

    def __init__(
        self,
        config: LlamaConfig,
        folder: Path,
        *,
        cache: KvCache,
        slab: LoraSlab,
        dtype: torch.dtype,
        device: torch.device,
        length: int,
    ) -> None:
        self.config = config
        self.cache = cache
        self.slab = slab
        self._dtype = dtype
        self._device = device
        read = _Weights(folder, dtype=dtype, device=device)
        self._embedding = read("model.embed_tokens.weight")
        self._norm = read("model.norm.weight")
        head = self._embedding if config.is_tied else read("lm_head.weight")
        self._head = Linear(head)
        self._layers = [self._read_layer(read, layer) for layer in range(config.layers)]
        cos, sin = _rotary(config, length)
        self._cos, self._sin = cos.to(device, dtype), sin.to(device, dtype)

    def _read_layer(self, read: "_Weights", layer: int) -> _Layer:
        prefix = f"model.layers.{layer}"
        linears = {}
        for group in layer_groups(self.config):
            weights = [read(f"{module_path(layer, p)}.weight") for p in group.projections]
            linears[group.name] = Linear(torch.cat(weights) if len(weights) > 1 else weights[0])
        return _Layer(
            attention_norm=read(f"{prefix}.input_layernorm.weight"),
            mlp_norm=read(f"{prefix}.post_attention_layernorm.weight"),
            linears=linears,
        )

    @torch.inference_mode()
    def forward(self, step: Step) -> torch.Tensor:
        """Logits in f32 (wanted × vocab); keys and values of all tokens are in the cache after."""
        hidden = functional.embedding(step.tokens, self._embedding)
        cos, sin = self._cos[step.positions], self._sin[step.positions]
        masks = self._masks(step)
        for number, layer in enumerate(self._layers):
            normed = self._rms(hidden, layer.attention_norm)
            qkv = self._project(step.lora, number, layer, "qkv", normed)
            mixed = self._attend(step, masks, number, qkv, cos, sin)
            hidden = hidden + self._project(step.lora, number, layer, "o", mixed)
            normed = self._rms(hidden, layer.mlp_norm)
            gate, up = self._project(step.lora, number, layer, "gate_up", normed).chunk(2, dim=-1)
            inner = functional.silu(gate).mul_(up)
            hidden = hidden + self._project(step.lora, number, layer, "down", inner)
        last = self._rms(hidden[step.wanted], self._norm)
        return self._head(last).float()

    def _rms(self, hidden: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        return functional.rms_norm(hidden, weight.shape, weight, self.config.rms_eps)

    def _project(
        self, lora: LoraPlan, number: int, layer: _Layer, group: str, inputs: torch.Tensor
    ) -> torch.Tensor:
        outputs = layer.linears[group](inputs)
        self.slab.add(lora, number, group, inputs, outputs)
        return outputs

    def _masks(self, step: Step) -> _Masks:
        decode, high, length = None, 0, 0
        if step.decode_rows.numel():
            high = int(step.decode_rows.max()) + 1
            length = int(step.decode_lengths.max())
            # Cache rows that are not decoding now look at one position: their result is dropped.
            ends = torch.ones(high, dtype=torch.long, device=self._device)
            ends[step.decode_rows] = step.decode_lengths
            places = torch.arange(length, device=self._device)
            decode = self._mask(places[None, :] < ends[:, None])[:, None, None, :]
        pieces = []
        for piece in step.pieces:
            count = piece.end - piece.start
            places = torch.arange(piece.past + count, device=self._device)
            allowed = (
                places[None, :] <= (piece.past + torch.arange(count, device=self._device))[:, None]
            )
            shared = self.config.heads // self.config.kv_heads
            pieces.append(self._mask(allowed).repeat(shared, 1)[None, None])
        return _Masks(high, length, decode, pieces)

    def _mask(self, allowed: torch.Tensor) -> torch.Tensor:
        mask = torch.zeros(allowed.shape, dtype=self._dtype, device=self._device)
        return mask.masked_fill_(~allowed, float("-inf"))

    def _attend(
        self,
        step: Step,
        masks: _Masks,
        number: int,
        qkv: torch.Tensor,
        cos: torch.Tensor,
        sin: torch.Tensor,
    ) -> torch.Tensor:
        config = self.config
        heads, kv_heads, width = config.heads, config.kv_heads, config.head_dim
        joined = qkv.view(-1, heads + 2 * kv_heads, width)
        turned = _turn(joined[:, : heads + kv_heads], cos, sin)
        queries, keys = turned[:, :heads], turned[:, heads:]
        values = joined[:, heads + kv_heads :]
        all_keys, all_values = self.cache.keys[number], self.cache.values[number]
        mixed = torch.empty_like(queries)
        shared = heads // kv_heads
        if masks.decode is not None:
            count, rows = step.decode_rows.numel(), step.decode_rows
            places = step.decode_lengths - 1
            all_keys[rows, :, places] = keys[:count]
            all_values[rows, :, places] = values[:count]
            # Queries move to their cache rows (small) instead of caches to their queries (large).
            padded = queries.new_zeros(masks.high, kv_heads, shared, width)
            padded[rows] = queries[:count].view(count, kv_heads, shared, width)
            found = functional.scaled_dot_product_attention(
                padded,
                all_keys[: masks.high, :, : masks.length],
                all_values[: masks.high, :, : masks.length],
                attn_mask=masks.decode,
            )
            mixed[:count] = found[rows].reshape(count, heads, width)
        for piece, mask in zip(step.pieces, masks.pieces, strict=True):
            tokens, end = slice(piece.start, piece.end), piece.past + piece.end - piece.start
            all_keys[piece.row, :, piece.past : end] = keys[tokens].transpose(0, 1)
            all_values[piece.row, :, piece.past : end] = values[tokens].transpose(0, 1)
            # The query heads of a key head are laid one after the other as longer queries.
            folded = queries[tokens].transpose(0, 1).reshape(1, kv_heads, -1, width)
            found = functional.scaled_dot_product_attention(
                folded,
                all_keys[piece.row : piece.row + 1, :, :end],
                all_values[piece.row : piece.row + 1, :, :end],
                attn_mask=mask,
            )
            mixed[tokens] = found.reshape(heads, -1, width).transpose(0, 1)
        return mixed.view(-1, heads * width)


def _turn(heads: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor) -> torch.Tensor:
    """Rotary positions (arXiv 2104.09864), halves as in transformers. heads: tokens × h × width."""
    first, second = heads.chunk(2, dim=-1)
    turned = torch.cat((-second, first), dim=-1)
    return heads * cos[:, None] + turned * sin[:, None]


def _rotary(config: LlamaConfig, length: int) -> tuple[torch.Tensor, torch.Tensor]:
    width = config.head_dim
    exponents = torch.arange(0, width, 2, dtype=torch.int64).float() / width
    frequencies = 1.0 / (config.rope_theta**exponents)
    angles = torch.outer(torch.arange(length).float(), frequencies)
    both = torch.cat((angles, angles), dim=-1)
    return both.cos(), both.sin()


class _Weights:
    """Reads single tensors of a base folder into ``dtype`` on ``device``."""

    def __init__(self, folder: Path, *, dtype: torch.dtype, device: torch.device) -> None:
        self._dtype, self._device = dtype, device
        self._files = {}
        for path in sorted(folder.glob("*.safetensors")):
            with safe_open(path, framework="pt") as file:
                self._files.update(dict.fromkeys(file.keys(), path))

    def __call__(self, name: str) -> torch.Tensor:
        if name not in self._files:
            raise BaseUnsupported(f"the base has no tensor {name}", fix="Copy the folder anew.")
        with safe_open(self._files[name], framework="pt") as file:
            tensor: torch.Tensor = file.get_tensor(name)
        return tensor.to(device=self._device, dtype=self._dtype)
