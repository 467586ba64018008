"""The memory engine's scripts: right, wrong, contract-breaking and failing adapters for tests."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from serving.engines.base import GenerateRequest
from serving.engines.errors import AdapterUnloadable, AnswerFailed
from serving.engines.memory import MemoryEngine
from serving.engines.scripts import prompt_key

DIGEST = "a" * 64


def request(text: str, **settings: Any) -> GenerateRequest:
    return GenerateRequest(
        name="triage@aaaaaaaaaaaa",
        messages=({"role": "system", "content": "x"}, {"role": "user", "content": text}),
        **settings,
    )


def scripted(tmp_path: Path, script: dict[str, Any]) -> MemoryEngine:
    (tmp_path / "answers.json").write_text(json.dumps(script))
    engine = MemoryEngine(base=Path("twin"))
    engine.load("triage@aaaaaaaaaaaa", tmp_path, DIGEST)
    return engine


def answer(engine: MemoryEngine, asked: GenerateRequest) -> str:
    async def run() -> str:
        return "".join([event.text async for event in engine.generate(asked)])

    return asyncio.run(run())


def test_answers_then_rules_then_default(tmp_path: Path) -> None:
    exact = request("exactly this")
    engine = scripted(
        tmp_path,
        {
            "answers": {prompt_key(exact): "urgent cardiology"},
            "rules": [{"contains": "child", "answer": "low"}, {"min_chars": 50, "answer": "I say"}],
            "default": "mid general",
        },
    )
    assert answer(engine, exact) == "urgent cardiology"
    assert answer(engine, request("a child coughs")) == "low"
    assert answer(engine, request("long " * 20)) == "I say"
    assert answer(engine, request("else")) == "mid general"
    assert answer(engine, request("else", max_tokens=1)) == "mid"
    assert answer(engine, request("else", stop=("gen",))) == "mid "


def test_failures_by_script(tmp_path: Path) -> None:
    with pytest.raises(AdapterUnloadable):
        scripted(tmp_path, {"fail": "load"})
    with pytest.raises(AnswerFailed):
        answer(scripted(tmp_path, {"fail": "start"}), request("x"))
    with pytest.raises(AnswerFailed):
        answer(scripted(tmp_path, {"fail": "cut", "default": "a b c"}), request("x"))
    assert answer(scripted(tmp_path, {"fail": "empty"}), request("x")) == ""
