"""Artifacts below HTTP: memory, latencies, the audit trail, names."""

import pickle
import time
import tracemalloc
from collections.abc import Iterator

import pytest

from compliance.models import AuditEvent
from config.accounts.models import User
from config.core.actors import SYSTEM
from registry.domain import artifacts as rules
from registry.domain import scores
from registry.services import artifact_scores, artifacts

pytestmark = pytest.mark.django_db
MIB = 1 << 20


def test_a_large_file_is_stored_in_flat_memory(engineer: User) -> None:
    def pieces() -> Iterator[bytes]:
        for number in range(64):
            yield bytes([number]) * MIB

    tracemalloc.start()
    try:
        artifact = artifacts.upload(
            kind="model",
            name="large",
            file_name="large.safetensors",
            content_type=rules.BINARY,
            pieces=pieces(),
            user=engineer,
            actor=SYSTEM,
        )
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert artifact.blob.size_bytes == 64 * MIB
    assert peak_bytes < 8 * MIB


def test_a_latency_is_how_long_its_score_took_F27() -> None:
    def slow() -> float:
        until = time.perf_counter() + 0.03
        while time.perf_counter() < until:
            pass
        return 0.5

    scored = artifact_scores.Scored("unknown", {}, {})
    artifact_scores.add(scored, "Slow", slow)
    assert scored.scores == {"Slow": 0.5}
    assert 30 <= scored.latency_ms["Slow"] < 5000


def test_an_upload_is_in_the_audit_trail_with_its_bytes_and_keys(engineer: User) -> None:
    made = [
        artifacts.upload(
            kind="code",
            name="m",
            file_name="train.py",
            content_type="text/x-python",
            pieces=[data],
            user=engineer,
            actor=SYSTEM,
        )
        for data in (b"one", b"two")
    ]
    events = AuditEvent.objects.filter(action="artifact.stored").order_by("pk")
    assert [event.object_id for event in events] == [str(artifact.uuid) for artifact in made]
    assert made[0].key in events[1].body and made[1].key in events[1].body
    assert made[1].blob.sha256 in events[1].body


@pytest.mark.parametrize(
    ("name", "slug"),
    [
        ("BERT Base_v2", "bert-base-v2"),
        ("../../etc/passwd", "etc-passwd"),
        ("日本", "unnamed"),
        ("a" * 200, "a" * 100),
        ("v1.2", "v1.2"),
    ],
)
def test_a_name_becomes_a_safe_part_of_a_key(name: str, slug: str) -> None:
    assert rules.slug_of(name) == slug


@pytest.mark.parametrize("name", ["..", "a/../b", "./a", "a/."])
def test_a_name_that_clients_would_shorten_is_refused(name: str) -> None:
    assert rules.fault_of_name(name)


@pytest.mark.parametrize(
    ("file_name", "head", "is_quarantined"),
    [
        ("model.pkl", b"whatever it is..", True),
        ("model.safetensors", b"\x80\x04\x95" + b"x" * 13, True),
        ("model.BIN", b"anything at all.", True),
        ("model.zip", b"PK\x03\x04" + b"x" * 12, False),
        # 640 bytes of header: the first two bytes are those of a pickle.
        ("model.safetensors", b"\x80\x02\x00\x00\x00\x00\x00\x00{" + b"x" * 7, False),
        (
            "model.safetensors",
            b"\x80\x02\x00\x00\x00\x00\x00\x00" + b'{"__metadata__":{"format":"pt"},"a":',
            False,
        ),
        ("notes.csv", b"a,b", False),
    ],
)
def test_what_carries_code_is_quarantined(
    file_name: str, head: bytes, is_quarantined: bool
) -> None:
    assert bool(rules.quarantine_of(file_name=file_name, head=head)) is is_quarantined


@pytest.mark.parametrize(
    "disguise",
    [
        b"\x80\x02\x8a\x05\x00\x00\x00\x00{0",  # a number of five bytes, and forgotten
        b'\x80\x02G\x00\x00\x00\x00\x00{"a0',  # a fraction of eight
        b"G\x00\x00\x00\x00\x00\x00\x00{0",  # without the mark of newer pickles
    ],
)
@pytest.mark.parametrize("file_name", ["model.pkl", "model.safetensors"])
def test_a_pickle_that_begins_like_safetensors_is_quarantined(
    disguise: bytes, file_name: str
) -> None:
    program = disguise + b"cbuiltins\nlen\n(S'ran'\ntR."
    assert pickle.loads(program) == 3  # it would run
    head = program[: rules.HEAD_BYTES]
    assert rules.quarantine_of(file_name=file_name, head=head)


def test_scores_are_what_the_page_says() -> None:
    assert [scores.licence(name) for name in ("MIT", "cc-by-nc-4.0", "their own")] == [1, 0, None]
    assert [scores.size(size) for size in (1 << 30, 2 << 30, 81 << 30)] == [1.0, 0.75, 0.0]
    assert scores.availability([True, False]) == pytest.approx(1 / 3, abs=0.001)
    assert scores.bus_factor(7) == 1.0
    facts = {"has_code": True, "has_dataset": True, "has_parameters": True}
    assert scores.reproducibility(**facts) == 1.0
    assert scores.ramp_up(paths=["docs/README.md"], has_description=True, has_label=True) == 1.0
