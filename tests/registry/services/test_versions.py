"""Submitting versions."""

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.db import connection

from config.core.actors import SYSTEM
from config.core.events import Event, _handlers, subscribe
from registry import selectors
from registry.domain.packages import CONFIG_FILE, PackageInvalid
from registry.errors import VersionNameRefused, VersionNameTaken
from registry.events import LabelChanged, VersionRefused, VersionSubmitted
from registry.models import Blob, Version
from registry.services import aliases, versions
from tests.factories import registry as make

pytestmark = pytest.mark.django_db


@pytest.fixture
def events() -> Iterator[list[Event]]:
    seen: list[Event] = []
    subscribe(Event, seen.append)
    yield seen
    _handlers[Event].remove(seen.append)


def _submit(adapter: Any, files: dict[str, bytes], **values: Any) -> tuple[Version, bool]:
    return versions.submit(
        adapter=adapter, package=make.source(files), user=adapter.owner, actor=SYSTEM, **values
    )


def test_a_package_becomes_a_version_with_manifest_facts_and_label_M19_M146(
    events: list[Event],
) -> None:
    adapter = make.adapter(slug="triage")
    events.clear()
    version, is_new = _submit(adapter, make.package(rank=4), label=make.LABEL, notes="first")
    assert is_new
    assert (version.number, version.version_name) == (1, "v1")
    assert len(version.digest) == 64
    assert len(version.commit_id) == 40
    assert version.runtime_name == f"triage@{version.digest[:12]}"
    assert version.peft_facts["max_rank"] == 4
    assert version.peft_facts["problems"] == []
    assert [path for path, _, _ in selectors.manifest(version)] == [
        "adapter_config.json",
        "adapter_model.safetensors",
    ]
    label = selectors.current_label(version)
    assert label is not None
    assert label.population == [{"attribute": "age_group", "level": "adult"}]
    assert [type(event) for event in events] == [VersionSubmitted, LabelChanged]


def test_the_same_manifest_again_is_the_same_version() -> None:
    adapter = make.adapter()
    files = make.package()
    first, _ = _submit(adapter, files, version_name="v7")
    again, is_new = _submit(adapter, {f"folder/{path}": data for path, data in files.items()})
    assert again == first
    assert not is_new
    assert Version.objects.count() == 1


def test_identical_bytes_are_stored_once() -> None:
    files = make.package(seed=41)
    _submit(make.adapter(), files)
    second, _ = _submit(make.adapter(), files | {"README.md": b"other"})
    assert second.files.count() == 3
    assert Blob.objects.count() == 3
    folder = Path(settings.FORMULARY_HOME, "blobs", "sha256")
    stored = [p for p in folder.rglob("*") if p.is_file()]
    assert len(stored) == len({p.name for p in stored})
    assert {b.sha256 for b in Blob.objects.all()} <= {p.name for p in stored}


def test_numbers_have_no_gap_and_names_never_mean_two_things_M11() -> None:
    adapter = make.adapter()
    first = make.version(of=adapter)
    with pytest.raises(VersionNameTaken, match=r"@v1 has other bytes"):
        _submit(adapter, make.package(seed=901), version_name="v1")
    aliases.move(adapter=adapter, name="stable", to=first, expected=None, actor=SYSTEM)
    for name in ("stable", "live", "0123456789ab", "a/b", "x@y", "-x"):
        with pytest.raises(VersionNameRefused):
            _submit(adapter, make.package(seed=902), version_name=name)
    second = make.version(of=adapter, version_name="2026-11")
    assert second.number == 2


def test_a_container_fault_leaves_nothing_but_its_event(events: list[Event]) -> None:
    adapter = make.adapter()
    events.clear()
    with pytest.raises(PackageInvalid) as refused:
        _submit(adapter, {"../evil": b"x", CONFIG_FILE: b"{}"})
    assert refused.value.errors[0]["fix"]
    assert Version.objects.count() == 0
    assert Blob.objects.count() == 0
    assert [type(event) for event in events] == [VersionRefused]


def test_a_malformed_configuration_is_stored_for_the_checks_to_judge() -> None:
    for raw in (b"{", b"[]", b'{"r": "a"}', b'{"base_model_name_or_path": "\\u0000\\ud800"}'):
        version, _ = _submit(make.adapter(), {CONFIG_FILE: raw, "adapter_model.bin": b"\x80\x04"})
        assert version.peft_facts["problems"]


def test_infinite_alpha_and_odd_names_are_stored(db: None) -> None:
    files = make.package(lora_alpha=1e400, base_name="a\x00b\ud800")
    version, _ = _submit(make.adapter(), files)
    version.refresh_from_db()
    assert version.peft_facts


@pytest.mark.django_db(transaction=True)
def test_two_equal_uploads_at_one_moment_leave_one_version_and_no_gap_M10() -> None:
    if connection.vendor != "postgresql":
        pytest.skip("locks rows as PostgreSQL does")
    adapter = make.adapter()
    packages = [make.package(seed=seed) for seed in (11, 11, 11, 12, 12, 13)]
    start = threading.Barrier(len(packages), timeout=60)
    results: list[tuple[Version, bool]] = []

    def work(files: dict[str, bytes]) -> None:
        try:
            start.wait(timeout=30)
            results.append(_submit(adapter, files))
        finally:
            connection.close()

    threads = [threading.Thread(target=work, args=(files,)) for files in packages]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert len(results) == 6
    assert sum(is_new for _, is_new in results) == 3
    assert sorted(Version.objects.values_list("number", flat=True)) == [1, 2, 3]


@pytest.mark.django_db(transaction=True)
def test_uploads_without_a_name_take_the_next_free_one_also_two_at_once() -> None:
    adapter = make.adapter()
    first, _ = _submit(adapter, make.package(seed=21), version_name="v2")
    aliases.move(adapter=adapter, name="v3", to=first, expected=None, actor=SYSTEM)
    packages = [make.package(seed=seed) for seed in (22, 23)]
    start = threading.Barrier(len(packages), timeout=60)

    def work(files: dict[str, bytes]) -> None:
        try:
            start.wait(timeout=30)
            _submit(adapter, files)
        finally:
            connection.close()

    threads = [threading.Thread(target=work, args=(files,)) for files in packages]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    names = Version.objects.order_by("number").values_list("number", "version_name")
    assert list(names) == [(1, "v2"), (2, "v4"), (3, "v5")]
