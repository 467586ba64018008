"""The official client against a real gateway and a real node."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import openai
import pytest

from serving.engines.memory import WORDS
from serving.models import Answer
from tests.factories import gateway as make

Client = Callable[..., openai.OpenAI]


def ask(client: openai.OpenAI, model: str, text: str = "a note", **values: Any) -> Any:
    return client.chat.completions.create(
        model=model, messages=[{"role": "user", "content": text}], **values
    )


def text_of(chunks: list[Any]) -> str:
    return "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)


def test_a_chat_answer_names_its_version(world: Any, client: Client) -> None:
    version = world.version(default="urgent surgery")
    deployment = world.deployment(version)
    raw = client().chat.completions.with_raw_response.create(
        model=deployment.public_name, messages=[{"role": "user", "content": "a note"}]
    )
    answer = raw.parse()
    assert answer.choices[0].message.content == "urgent surgery"
    assert answer.choices[0].finish_reason == "stop"
    assert answer.model == deployment.public_name
    assert raw.headers["X-Formulary-Version"] == version.runtime_name
    assert raw.headers["X-Formulary-Deployment"] == deployment.public_name
    assert raw.headers["X-Formulary-Served-By"] == "adapter"
    assert raw.headers["X-Request-Id"]
    answer_id = raw.headers["X-Formulary-Answer"]
    assert answer.system_fingerprint == f"{version.runtime_name}/{answer_id}"
    row = Answer.objects.get()
    assert (row.answer_id, row.digest, row.failure) == (answer_id, version.digest, "")
    assert row.completion_tokens == answer.usage.completion_tokens == 3
    assert row.node_name == world.node.row.name
    assert row.rollout_id is None


def test_a_chat_stream_names_its_version_in_every_chunk(world: Any, client: Client) -> None:
    version = world.version(default="urgent surgery today")
    deployment = world.deployment(version)
    chunks = list(
        ask(
            client(),
            deployment.public_name,
            stream=True,
            stream_options={"include_usage": True},
        )
    )
    assert text_of(chunks) == "urgent surgery today"
    assert chunks[0].choices[0].delta.role == "assistant"
    assert chunks[-2].choices[0].finish_reason == "stop"
    assert chunks[-1].usage.completion_tokens == 4
    row = Answer.objects.get()
    assert {c.system_fingerprint for c in chunks} == {f"{version.runtime_name}/{row.answer_id}"}
    assert row.first_token_ms is not None


def test_completions(world: Any, client: Client) -> None:
    deployment = world.deployment(world.version(default="one two three"))
    asked = client()
    whole = asked.completions.create(model=deployment.public_name, prompt="p", stop=" three")
    assert whole.choices[0].text == "one two"
    stream = asked.completions.create(
        model=deployment.public_name, prompt="p", stream=True, max_tokens=2
    )
    chunks = list(stream)
    assert "".join(c.choices[0].text for c in chunks) == "one two"
    assert chunks[-1].choices[0].finish_reason == "length"


def test_the_base_answers_only_in_a_deployment_of_its_own(world: Any, client: Client) -> None:
    deployment = world.deployment(is_base=True)
    raw = client().chat.completions.with_raw_response.create(
        model=deployment.public_name, messages=[{"role": "user", "content": "x"}]
    )
    assert raw.headers["X-Formulary-Served-By"] == "base"
    assert raw.headers["X-Formulary-Version"] == f"{world.base.slug}@{world.base.digest[:12]}"
    assert Answer.objects.get().digest == world.base.digest


def test_models_lists_what_would_answer_now(world: Any, client: Client) -> None:
    served = world.deployment(world.version(default="x"))
    world.deployment(world.version(default="x", is_permitted=False))
    world.deployment(world.version(default="x", is_loaded=False))
    stopped = world.version(default="x")
    world.deployment(stopped)
    make.stop(stopped.digest)
    world.deployment()
    asked = client()
    assert [model.id for model in asked.models.list()] == [served.public_name]
    assert asked.models.retrieve(served.public_name).owned_by == "formulary"
    with pytest.raises(openai.NotFoundError):
        asked.models.retrieve("nothing")


def test_unknown_is_404_unapproved_and_stopped_403_unproven_503(world: Any, client: Client) -> None:
    unapproved = world.deployment(world.version(default="x", is_permitted=False))
    nothing_yet = world.deployment()
    stopped = world.version(default="x")
    stopped_deployment = world.deployment(stopped)
    make.stop(stopped.digest)
    unproven = world.deployment(world.version(default="x", is_loaded=False))
    world.deployment(is_base=True)
    asked = client()
    for model, error, code in [
        ("nothing", openai.NotFoundError, "model_not_found"),
        (unapproved.public_name, openai.PermissionDeniedError, "not_permitted"),
        (nothing_yet.public_name, openai.PermissionDeniedError, "not_permitted"),
        (stopped_deployment.public_name, openai.PermissionDeniedError, "stopped"),
        (unproven.public_name, openai.InternalServerError, "no_replica"),
    ]:
        for stream in (False, True):
            with pytest.raises(error) as caught:
                ask(asked, model, stream=stream)
            assert caught.value.code == code
    assert caught.value.status_code == 503
    assert int(caught.value.response.headers["Retry-After"]) >= 1
    assert not Answer.objects.exists()


def test_a_token_needs_the_scope_a_role_and_time_left(world: Any, client: Client) -> None:
    deployment = world.deployment(world.version(default="x"))
    good = make.token("inference")
    asked = client(token=good)
    ask(asked, deployment.public_name)
    nobody = make.user()
    for text in (
        "fml_wrong",
        make.token("feedback:write"),
        make.token("inference", of=nobody),
        make.token("inference", days=-1),
    ):
        with pytest.raises(openai.AuthenticationError) as caught:
            ask(asked.with_options(api_key=text), deployment.public_name)
        assert caught.value.code == "invalid_api_key"
    # One made just now works at once; nothing told the gateway.
    ask(asked.with_options(api_key=make.token("inference")), deployment.public_name)


def test_a_prompt_that_does_not_fit_is_the_callers_error(world: Any, client: Client) -> None:
    deployment = world.deployment(world.version(default="x"))
    with pytest.raises(openai.BadRequestError) as caught:
        ask(client(), deployment.public_name, "word " * 2000)
    assert caught.value.code == "context_length_exceeded"
    assert not Answer.objects.exists()


def test_32_requests_at_once_over_4_adapters_and_the_base(world: Any, client: Client) -> None:
    """Every answer is explained by the version that it names."""
    versions = [world.version(token_latency_ms=1) for _ in range(4)]
    deployments = [world.deployment(version) for version in versions]
    deployments.append(world.deployment(is_base=True))
    asked = client()

    def one(number: int) -> tuple[str, str, str]:
        model = deployments[number % 5].public_name
        chunks = list(ask(asked, model, f"note {number % 7}", stream=True, max_tokens=12))
        return model, chunks[0].system_fingerprint.split("/")[0], text_of(chunks)

    with ThreadPoolExecutor(32) as pool:
        answers = list(pool.map(one, range(320)))
    names = {d.public_name: v.runtime_name for d, v in zip(deployments, versions, strict=False)}
    names[deployments[4].public_name] = f"{world.base.slug}@{world.base.digest[:12]}"
    assert all(names[model] == version for model, version, _ in answers)
    # The memory engine answers by digest and prompt alone: the same pair, the same text.
    texts: dict[tuple[str, int], set[str]] = {}
    for number, (model, _, text) in enumerate(answers):
        assert set(text.split()) <= set(WORDS)
        texts.setdefault((model, number % 7), set()).add(text)
    assert all(len(found) == 1 for found in texts.values())
    assert len({text for found in texts.values() for text in found}) == len(texts) == 35
    assert Answer.objects.count() == 320
    assert Answer.objects.exclude(failure="").count() == 0
