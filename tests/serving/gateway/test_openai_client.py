"""The official client against a real gateway and a real node."""

from collections.abc import Callable
from typing import Any

import openai
import pytest

from serving.models import Answer

Client = Callable[..., openai.OpenAI]


def ask(client: openai.OpenAI, model: str, text: str = "a note", **values: Any) -> Any:
    return client.chat.completions.create(
        model=model, messages=[{"role": "user", "content": text}], **values
    )


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
    answer_id = raw.headers["X-Formulary-Answer"]
    assert answer.system_fingerprint == f"{version.runtime_name}/{answer_id}"
    row = Answer.objects.get()
    assert (row.answer_id, row.digest, row.failure) == (answer_id, version.digest, "")
    assert row.completion_tokens == answer.usage.completion_tokens == 3
    assert row.node_name == world.node.row.name
    assert row.rollout_id is None


def test_unknown_model(world: Any, client: Client) -> None:
    with pytest.raises(openai.NotFoundError) as caught:
        ask(client(), "nothing")
    assert caught.value.code == "model_not_found"
