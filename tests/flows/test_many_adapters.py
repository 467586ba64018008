"""32 requests at once over 4 adapters and the base, each explained by plain PEFT."""

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import openai

from serving.models import Answer
from tests.flows.formulary import Formulary, Staff
from tests.flows.letters import Asked, Explainer, write_package
from tests.flows.waiting import until

RANKS = (4, 16, 32, 64)
REQUESTS = 128
AT_ONCE = 32
TOKENS = 24


@dataclass(frozen=True)
class Answered:
    """One answer as its client got it."""

    model: str
    asked: Asked
    text: str
    finish: str
    version: str
    served_by: str
    fingerprints: frozenset[str]


def asked_for(number: int) -> Asked:
    """A prompt for some requests, chat messages for the others; of several lengths."""
    text = f"note {number % 11}: cough for {number % 7} days" + ", and fever" * (number % 4)
    if number % 3 == 0:
        return text
    system = [{"role": "system", "content": "Name the ward."}] if number % 2 else []
    return [*system, {"role": "user", "content": text}]


def ask(client: openai.OpenAI, model: str, number: int, start: threading.Barrier) -> Answered:
    if number < AT_ONCE:
        start.wait()
    asked, is_streamed = asked_for(number), number % 2 == 0
    if isinstance(asked, str):
        raw = client.completions.with_raw_response.create(
            model=model, prompt=asked, max_tokens=TOKENS, stream=is_streamed
        )
    else:
        raw = client.chat.completions.with_raw_response.create(
            model=model, messages=asked, max_tokens=TOKENS, stream=is_streamed
        )  # type: ignore[call-overload]
    found = raw.parse()
    parts = list(found) if is_streamed else [found]
    texts, finish = [], ""
    for choice in (part.choices[0] for part in parts if part.choices):
        if isinstance(asked, str):
            texts.append(choice.text)
        else:
            texts.append((choice.delta if is_streamed else choice.message).content or "")
        finish = choice.finish_reason or finish
    return Answered(
        model=model,
        asked=asked,
        text="".join(texts),
        finish=finish,
        version=raw.headers["X-Formulary-Version"],
        served_by=raw.headers["X-Formulary-Served-By"],
        fingerprints=frozenset(part.system_fingerprint.split("/")[0] for part in parts),
    )


def test_32_requests_at_once_over_4_adapters_and_the_base(
    formulary: Formulary, letters_base: Path, tmp_path: Path
) -> None:
    formulary.start(engine="torch", base=letters_base, slots=6, max_model_len=256)
    staff = Staff(formulary)
    versions = []
    folders: dict[str, Path | None] = {}
    for seed, rank in enumerate(RANKS, start=70):
        folder, adapter = tmp_path / f"rank-{rank}", staff.adapter()
        files = write_package(
            letters_base, folder, base_name=formulary.base.slug, seed=seed, rank=rank
        )
        versions.append(staff.approved(files, of=adapter))
        folders[versions[-1].runtime_name] = folder
    formulary.start_workers()
    names = {staff.live(each, each.adapter).public_name: each.runtime_name for each in versions}
    base_name = f"{formulary.base.slug}@{formulary.base.digest[:12]}"
    base_model = staff.live(None, None).public_name
    names[base_model], folders[base_name] = base_name, None
    models = list(names)

    client = formulary.client()
    until(lambda: {model.id for model in client.models.list()} == set(models))
    start = threading.Barrier(AT_ONCE, timeout=60)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        futures = [
            pool.submit(ask, client, models[number % 5], number, start)
            for number in range(REQUESTS)
        ]
    answers = [future.result() for future in futures]

    for answer in answers:
        assert (len(answer.text), answer.finish) == (TOKENS, "length")
        assert answer.version == names[answer.model]
        assert answer.fingerprints == {answer.version}
        assert answer.served_by == ("base" if answer.model == base_model else "adapter")
    explained = Explainer(letters_base, folders).explaining([(a.asked, a.text) for a in answers])
    assert explained == [{answer.version} for answer in answers]
    assert Answer.objects.count() == REQUESTS
    assert not Answer.objects.exclude(failure="").exists()
