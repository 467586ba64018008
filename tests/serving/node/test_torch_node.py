"""A torch node over HTTP: 16 streams of 256 tokens over 20 swaps, none mixed, none cut."""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx

from tests.serving.engines.tiny import Judge, Package, make_adapter, make_base
from tests.serving.node.conftest import SECRET, Running, events

PROMPT = "fever for three days"


async def stream(
    client: httpx.AsyncClient, package: Package, prompt: str, started: asyncio.Event
) -> list[dict[str, Any]]:
    body = {"name": package.name, "prompt": prompt, "max_tokens": 256}
    found = []
    async with client.stream("POST", "/node/v1/generate", json=body) as response:
        assert response.status_code == 200
        async for line in response.aiter_lines():
            if line:
                found.append(json.loads(line[6:]))
                started.set()
    return found


def test_16_streams_over_20_swaps(start: Callable[..., Running], tmp_path: Path) -> None:
    base = make_base(tmp_path / "base")
    packages = [
        make_adapter(base, tmp_path / f"v{i}", seed=40 + i, strength=0.5, r=8 * (1 + i % 2))
        for i in range(3)
    ]
    node = start(engine="torch", base=base, slots=24, max_model_len=512, threads=1)
    lease = {"purpose": "serve", "run": None, "ttl_seconds": 60}

    async def run() -> list[tuple[Package, str, list[dict[str, Any]]]]:
        async with httpx.AsyncClient(
            base_url=node.url, headers={"Authorization": f"Bearer {SECRET}"}, timeout=60
        ) as client:

            async def put(package: Package) -> None:
                body = {"digest": package.digest, "path": str(package.folder), "lease": lease}
                response = await client.put(f"/node/v1/replicas/{package.name}", json=body)
                assert response.status_code == 200, response.text

            live, tasks, asked = packages[0], [], []
            await put(live)
            for swap in range(20):
                if swap < 16:
                    started, prompt = asyncio.Event(), PROMPT + " and more" * (swap % 4)
                    tasks.append(asyncio.create_task(stream(client, live, prompt, started)))
                    asked.append((live, prompt))
                    async with asyncio.timeout(60):
                        await started.wait()
                following = packages[(swap + 1) % 3]
                await put(following)
                gone = await client.delete(f"/node/v1/replicas/{live.name}")
                assert gone.status_code == 200
                live = following
            return [(*a, await task) for a, task in zip(asked, tasks, strict=True)]

    results = asyncio.run(run())
    judges = {package.digest: Judge(base, package) for package in packages}
    for package, prompt, found in results:
        assert len(found) == 256 and found[-1]["finish"] == "length"
        assert {event["digest"] for event in found} == {package.digest}
        tokens, ids = [event["token_id"] for event in found], list(prompt.encode())
        assert found[-1]["usage"]["prompt_tokens"] == len(ids)
        ids = node.node.engine._codec.encode(prompt)  # type: ignore[attr-defined]
        explained = {digest for digest, judge in judges.items() if judge.explains(ids, tokens)}
        assert explained == {package.digest}
    assert events(node.ask("base"))[-1]["finish"] == "length"
