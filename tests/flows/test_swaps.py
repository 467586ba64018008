"""Sixteen streams of 256 tokens at any time, over 20 swaps of the live version."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import httpx

from compliance.models import AuditEvent
from config.accounts.roles import Role
from config.accounts.selectors import actor_of
from registry.models import AliasMove, Version
from serving.models import Answer, Deployment, Replica
from serving.services import rollbacks
from serving.states import OPEN_ROLLOUT_STATES
from tests.factories import accounts
from tests.flows.formulary import PATIENT, Formulary, Staff
from tests.flows.letters import Explainer, write_package
from tests.flows.waiting import until

VERSIONS = 6
TURNS = 10
"""In each turn a canary is promoted and taken back again: two swaps."""
STREAMS = 16
JUDGED_BY_ALL = 48
TOKENS = 256
# A canary that gets nearly everything and is decided by a handful of whole answers: what is
# looked at here is the swap and not the judgement.
QUICK = {
    "stages": [99],
    "comparison_margin": 0.2,
    "max_failure_rate": 0.9,
    "report_rule": "watch",
    "least_canary_answers": 2,
    "max_requests": 1_000_000,
}


@dataclass
class Stream:
    """One stream as its client saw it; moments are monotonic seconds."""

    prompt: str
    asked_at: float
    began_at: float = 0.0
    ended_at: float = 0.0
    version: str = ""
    text: str = ""
    finish: str = ""
    fingerprints: set[str] = field(default_factory=set)
    is_done: bool = False


class Clients:
    """So many programs, each with a stream at any time, until they are told to end."""

    def __init__(self, url: str, model: str, token: str) -> None:
        self._url, self._model, self._token = url, model, token
        self._ending = threading.Event()
        self._streams: dict[int, list[Stream]] = {number: [] for number in range(STREAMS)}
        self._errors: list[Exception] = []

    @contextmanager
    def streaming(self) -> Iterator[None]:
        """Streams run inside of the block; those that have begun are read to their end."""
        threads = [threading.Thread(target=self._run, args=(n,)) for n in self._streams]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self._ending.set()
            for thread in threads:
                thread.join(120)
        assert not self._errors, self._errors
        assert not any(thread.is_alive() for thread in threads)

    def is_full(self) -> bool:
        """Whether each program has got the beginning of a first answer."""
        assert not self._errors, self._errors
        return all(streams and streams[0].began_at for streams in self._streams.values())

    def have_heard(self, version: Version) -> bool:
        """Whether a stream of this version has begun."""
        return any(stream.version == version.runtime_name for stream in self.streams)

    @property
    def streams(self) -> list[Stream]:
        return [stream for streams in self._streams.values() for stream in streams]

    def _run(self, number: int) -> None:
        head = {"Authorization": f"Bearer {self._token}"}
        try:
            with httpx.Client(base_url=self._url, headers=head, timeout=60) as http:
                while not self._ending.is_set():
                    turn = len(self._streams[number])
                    prompt = f"note {number} of turn {turn}:" + " more" * (number % 5)
                    found = Stream(prompt, time.monotonic())
                    self._streams[number].append(found)
                    _read(http, self._model, found)
        except Exception as error:  # noqa: BLE001 - told in the test's thread
            self._errors.append(error)


def _read(http: httpx.Client, model: str, found: Stream) -> None:
    body = {"model": model, "prompt": found.prompt, "max_tokens": TOKENS, "stream": True}
    pieces = []
    with http.stream("POST", "/v1/completions", json=body) as response:
        assert response.status_code == 200, response.read()
        found.version = response.headers["X-Formulary-Version"]
        for piece in response.iter_bytes():
            found.began_at = found.began_at or time.monotonic()
            pieces.append(piece)
    found.ended_at = time.monotonic()
    *lines, last = b"".join(pieces).decode().removesuffix("\n\n").split("\n\n")
    found.is_done = last == "data: [DONE]"
    for line in lines:
        chunk = json.loads(line.removeprefix("data: "))
        found.fingerprints.add(chunk["system_fingerprint"].split("/")[0])
        found.text += chunk["choices"][0]["text"]
        found.finish = chunk["choices"][0]["finish_reason"] or found.finish


def promote(staff: Staff, deployment: Deployment, to: Version, short: httpx.Client) -> None:
    """A canary from its start to its promotion, decided by short answers."""
    rollout = staff.begin(deployment, to)
    body = {"model": deployment.public_name, "prompt": "short", "max_tokens": 1}

    def look() -> bool:
        rollout.refresh_from_db()
        if rollout.weight_percent:
            assert short.post("/v1/completions", json=body).status_code == 200
        return rollout.state not in OPEN_ROLLOUT_STATES

    until(look, seconds=90)
    assert rollout.state == "promoted", (rollout.state, rollout.reason, rollout.paused_reason)


def take_back(staff: Staff, deployment: Deployment) -> None:
    """The version before is the live one again when this returns."""
    deployment.refresh_from_db()
    rollout = rollbacks.start(
        deployment=deployment,
        reason="a swap",
        user=staff.operator,
        actor=actor_of(staff.operator),
    )
    assert (rollout.strategy, rollout.state) == ("rollback", "promoted")


def is_unloaded(version: Version) -> bool:
    """Whether no node holds the version any more."""
    return not Replica.objects.filter(version=version).exclude(state="unloaded").exists()


def test_16_streams_over_20_swaps(formulary: Formulary, letters_base: Path, tmp_path: Path) -> None:
    formulary.start(
        engine="torch",
        base=letters_base,
        limits=replace(PATIENT, poll_seconds=0.05),
        slots=VERSIONS + 2,
        max_model_len=512,
    )
    staff = Staff(formulary)
    adapter = staff.adapter()
    versions, folders = [], {}
    for number, rank in enumerate((4, 8, 16, 32, 64, 8)):
        folder = tmp_path / f"v{number}"
        files = write_package(
            letters_base, folder, base_name=formulary.base.slug, seed=90 + number, rank=rank
        )
        versions.append(staff.approved(files, of=adapter))
        folders[versions[-1].runtime_name] = folder
    assert len(folders) == VERSIONS
    formulary.start_workers()
    first, *others = versions
    deployment = staff.live(first, adapter, policy=QUICK)
    token = accounts.token_text(accounts.user(Role.APPLICATION))
    head = {"Authorization": f"Bearer {token}"}
    until(lambda: httpx.get(f"{formulary.url}/v1/models", headers=head).json()["data"])
    clients = Clients(formulary.url, deployment.public_name, token)
    swapped_at: list[float] = []
    with clients.streaming(), httpx.Client(base_url=formulary.url, headers=head) as short:
        until(clients.is_full, seconds=60)
        for turn in range(TURNS):
            version = others[turn % len(others)]
            if turn == len(others):
                # On a quick machine it could be wished for again before it is off its node.
                until(partial(is_unloaded, version), seconds=60)
            promote(staff, deployment, version, short)
            swapped_at.append(time.monotonic())
            until(partial(clients.have_heard, version))
            take_back(staff, deployment)
            swapped_at.append(time.monotonic())

    moves = AliasMove.objects.filter(adapter=adapter, name="live")
    assert moves.count() == 1 + len(swapped_at) == 1 + 2 * TURNS
    loads = AuditEvent.objects.filter(action="replica.ready").count()
    assert loads > VERSIONS, "a version that has left the node is loaded again beside the streams"
    streams = clients.streams
    for moment in swapped_at:
        assert sum(s.asked_at < moment < s.ended_at for s in streams) >= STREAMS // 2
    # Streams of one length may end together: at one swap few have got a first token, on the whole
    # most have.
    cut_through = [s for s in streams for at in swapped_at if s.began_at < at < s.ended_at]
    assert len(cut_through) >= len(swapped_at) * STREAMS // 2
    for stream in streams:
        assert (len(stream.text), stream.finish, stream.is_done) == (TOKENS, "length", True)
        assert stream.fingerprints == {stream.version}
    assert {stream.version for stream in streams} == set(folders)
    assert not Answer.objects.exclude(failure="").exists()

    explainer = Explainer(letters_base, folders)
    for name in folders:
        own = [(stream.prompt, stream.text) for stream in streams if stream.version == name]
        assert explainer.explaining(own, names=[name]) == [{name}] * len(own)
    some = streams[:: max(1, len(streams) // JUDGED_BY_ALL)]
    explained = explainer.explaining([(stream.prompt, stream.text) for stream in some])
    assert explained == [{stream.version} for stream in some]
