"""P6 on one node engine: token gaps of 16 streams with and without version swaps, none mixed.

Runs the torch engine on the packaged base with rank-16 adapters on all linear layers. In the run
with swaps every swap loads the next version, publishes it and unloads the one before; streams that
began earlier must end with their own version. Each answer is then checked by PEFT, teacher-forced.

    python -m bench.node_swaps --streams 16 --tokens 256 --swaps 20
"""

import argparse
import asyncio
import json
import os
import platform
import statistics
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

import torch

from registry.sources.packaged_base import prepare_packaged_base
from serving.engines.base import GenerateRequest
from serving.engines.torch_engine import TorchEngine
from tests.serving.engines.tiny import Judge, Package, make_adapter

PROMPT = "Write a long letter about the weather, number {}."


@dataclass
class Stream:
    """One answer: its version, tokens, and the gaps between them in seconds."""

    package: Package
    tokens: list[int] = field(default_factory=list)
    gaps: list[float] = field(default_factory=list)
    digests: set[str] = field(default_factory=set)


async def read(engine: TorchEngine, stream: Stream, prompt: list[int], tokens: int) -> None:
    """Ask and note when each token came; the first one's wait is not a gap."""
    request = GenerateRequest(
        name=stream.package.name, prompt_token_ids=tuple(prompt), max_tokens=tokens
    )
    last = None
    async for event in engine.generate(request):
        now = time.perf_counter()
        if last is not None:
            stream.gaps.append(now - last)
        last = now
        stream.tokens.append(event.token_id)
        stream.digests.add(event.digest)


async def run(
    engine: TorchEngine,
    packages: list[Package],
    prompts: list[list[int]],
    *,
    tokens: int,
    swaps: int,
) -> tuple[list[Stream], list[float]]:
    """Streams of the first version at once, then ``swaps`` swaps spread over their time."""
    live = packages[0]
    if live.name not in {adapter.name for adapter in engine.loaded()}:
        engine.load(live.name, live.folder, live.digest)
    streams = [Stream(live) for _ in prompts]
    tasks = [
        asyncio.create_task(read(engine, stream, prompt, tokens))
        for stream, prompt in zip(streams, prompts, strict=True)
    ]
    loads = []
    for swap in range(swaps):
        share = (swap + 1) * tokens / (swaps + 1)
        while len(streams[0].tokens) < share and not tasks[0].done():
            await asyncio.sleep(0.005)
        following = packages[(swap + 1) % len(packages)]
        began = time.perf_counter()
        await asyncio.to_thread(engine.load, following.name, following.folder, following.digest)
        loads.append(time.perf_counter() - began)
        await asyncio.to_thread(engine.unload, live.name)
        live = following
    await asyncio.gather(*tasks)
    return streams, loads


def percentile_ms(values: list[float], share: float) -> float:
    """The ``share`` percentile in milliseconds."""
    ordered = sorted(values)
    return round(1000 * ordered[min(int(share * len(ordered)), len(ordered) - 1)], 1)


def main() -> None:
    """Measure, check, print and write ``bench/results/node_swaps.json``."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--streams", type=int, default=16)
    parser.add_argument("--tokens", type=int, default=256)
    parser.add_argument("--swaps", type=int, default=20)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    models = Path(os.environ.get("FORMULARY_MODELS") or "var/models")
    base = prepare_packaged_base(models / "smollm2-135m", print)
    with tempfile.TemporaryDirectory() as folder:
        packages = [
            make_adapter(base, Path(folder) / str(i), seed=i, strength=0.5, r=16) for i in range(3)
        ]
        engine = TorchEngine(
            base=base, slots=options.swaps + 2, max_rank=16, threads=options.threads
        )
        prompts = [engine._codec.encode(PROMPT.format(i)) for i in range(options.streams)]
        still, _ = asyncio.run(run(engine, packages, prompts, tokens=options.tokens, swaps=0))
        moved, loads = asyncio.run(
            run(engine, packages, prompts, tokens=options.tokens, swaps=options.swaps)
        )
        ends = set(engine._facts.eos_token_ids)
        engine.close()
        judge = Judge(base, packages[0])
        other = Judge(base, packages[1])
        explained = [judge.explains(p, s.tokens) for p, s in zip(prompts, moved, strict=True)]
        mistaken = [other.explains(p, s.tokens) for p, s in zip(prompts, moved, strict=True)]
    gaps = {
        "without": [g for s in still for g in s.gaps],
        "with": [g for s in moved for g in s.gaps],
    }
    result = {
        "streams": options.streams,
        "tokens": options.tokens,
        "swaps": options.swaps,
        "mixed": sum(not good for good in explained) + sum(len(s.digests) != 1 for s in moved),
        "explained_by_another": sum(mistaken),
        "cut": sum(len(s.tokens) < options.tokens and s.tokens[-1] not in ends for s in moved),
        "gap_ms": {
            name: {"p50": percentile_ms(g, 0.5), "p99": percentile_ms(g, 0.99)}
            for name, g in gaps.items()
        },
        "p99_ratio": round(
            percentile_ms(gaps["with"], 0.99) / percentile_ms(gaps["without"], 0.99), 3
        ),
        "load_ms_median": round(1000 * statistics.median(loads), 1) if loads else None,
        "threads": options.threads,
        "load_average": os.getloadavg(),
        "torch": torch.__version__,
        "machine": platform.machine(),
    }
    print(json.dumps(result, indent=2))
    target = Path("bench/results")
    target.mkdir(exist_ok=True)
    raw = {name: [round(g, 5) for g in values] for name, values in gaps.items()}
    (target / "node_swaps.json").write_text(json.dumps({**result, "gaps_seconds": raw}) + "\n")


if __name__ == "__main__":
    main()
