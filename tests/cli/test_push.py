"""``formulary push`` against a real server."""

import json
from pathlib import Path
from typing import Any

import pytest

from deliveries.cli.access import Access
from deliveries.cli.api import Api
from deliveries.cli.endings import Away, Exit
from deliveries.cli.sending import CHUNK_BYTES, File, Sending
from registry.models import Adapter, Blob, Upload, Version
from tests.factories import accounts
from tests.factories import registry as make
from tests.registry.uploads.conftest import sha256, unique

from .conftest import Command, folder_of


def test_a_folder_becomes_a_version_and_again_sends_nothing(
    command: Command, adapter: Adapter, tmp_path: Path
) -> None:
    files = make.package(seed=61) | {"docs/model card.md": b"# card", "weights.bin": unique()}
    folder = folder_of(files, tmp_path / "run")
    label = tmp_path / "label.json"
    label.write_text(json.dumps(make.LABEL))
    first = command("push", folder, "--adapter", "triage", "--version-name", "v1",
                    "--label", label, "--notes", "first", "--json")  # fmt: skip
    assert first.code == Exit.OK, first.err
    version = Version.objects.get()
    assert first.body["digest"] == version.digest
    assert first.body["ref"] == "triage@v1"
    assert first.body["is_new"] is True
    assert first.body["sent_bytes"] == sum(map(len, files.values()))
    assert version.labels.get().purpose == make.LABEL["purpose"]
    assert sorted(file.path for file in version.files.all()) == sorted(files)
    again = command("push", folder, "--adapter", "triage", "--json")
    assert (again.code, again.body["is_new"], again.body["sent_bytes"]) == (0, False, 0)
    assert again.body["uuid"] == first.body["uuid"]
    text = command("push", folder, "--adapter", "triage")
    assert version.digest in text.out
    assert not Upload.objects.exists()


def test_an_archive_is_the_same_version_and_only_what_changed_travels(
    command: Command, adapter: Adapter, tmp_path: Path
) -> None:
    files = make.package(seed=62)
    archive = tmp_path / "adapter.zip"
    archive.write_bytes(make.zip_of({f"top/{path}": data for path, data in files.items()}))
    assert command("push", archive, "--adapter", "triage").code == 0
    folder = folder_of(files | {"notes.md": b"changed"}, tmp_path / "run")
    second = command("push", folder, "--adapter", "triage", "--json")
    assert (second.body["sent_files"], second.body["sent_bytes"]) == (1, len(b"changed"))
    assert Version.objects.count() == 2


def test_a_big_file_goes_in_chunks(command: Command, adapter: Adapter, tmp_path: Path) -> None:
    data = unique(2 * CHUNK_BYTES + 12_345)
    folder = folder_of(make.package(seed=63) | {"big.bin": data, "empty": b""}, tmp_path / "run")
    assert command("push", folder, "--adapter", "triage", "--json").body["sent_files"] == 4
    assert Blob.objects.get(sha256=sha256(data)).size_bytes == len(data)


@pytest.mark.parametrize("at_bytes", [1, CHUNK_BYTES, CHUNK_BYTES + 1])
def test_it_goes_on_where_somebody_was_cut_off(
    command: Command, adapter: Adapter, tmp_path: Path, at_bytes: int
) -> None:
    """Nothing on the client's disk says what was begun: the server is asked."""
    data = unique(CHUNK_BYTES + 100_000)
    folder = folder_of(make.package(seed=64) | {"big.bin": data}, tmp_path / "run")
    upload = Upload.objects.create(
        owner=adapter.owner, size_bytes=len(data), sha256=sha256(data), offset_bytes=at_bytes,
        expires_at=adapter.created_at,
    )  # fmt: skip
    (tmp_path / "uploads").mkdir()
    (tmp_path / "uploads" / f"{upload.uuid}.part").write_bytes(data[:at_bytes])
    ran = command("push", folder, "--adapter", "triage", "--json")
    assert ran.code == 0, ran.err
    assert ran.body["resumed_bytes"] == at_bytes
    package_bytes = sum(map(len, make.package(seed=64).values()))
    assert ran.body["sent_bytes"] == len(data) - at_bytes + package_bytes


def test_a_file_that_is_written_to_meanwhile_is_refused(url: str, adapter: Adapter) -> None:
    data = unique()
    file = File("f", sha256(data), len(data), lambda: iter([data[:-1] + b"x"]))
    with Api(Access(url, accounts.token_text(adapter.owner))) as api:
        with pytest.raises(Exception, match="digest") as refused:
            Sending(api, file, moved=lambda _: None).run()
        assert getattr(refused.value, "code", "") == "upload-damaged"
        shorter = File("f", sha256(data), len(data), lambda: iter([data[:10]]))
        with pytest.raises(Exception, match="shorter"):
            Sending(api, shorter, moved=lambda _: None).run()


def test_an_upload_that_somebody_ended_is_begun_again(url: str, adapter: Adapter) -> None:
    data = unique(CHUNK_BYTES + 10)
    owner = adapter.owner

    def pieces() -> Any:
        yield data[:CHUNK_BYTES]
        if not ended:
            ended.extend(Upload.objects.filter(owner=owner))
            Upload.objects.filter(owner=owner).delete()
        yield data[CHUNK_BYTES:]

    ended: list[Upload] = []
    with Api(Access(url, accounts.token_text(owner))) as api:
        Sending(api, File("f", sha256(data), len(data), pieces), moved=lambda _: None).run()
    assert len(ended) == 1
    assert Blob.objects.get(sha256=sha256(data)).size_bytes == len(data)


def test_a_server_that_stays_away_ends_with_3(adapter: Adapter, tmp_path: Path) -> None:
    with Api(Access("http://127.0.0.1:9", "t"), patience_seconds=0.3) as api:
        file = File("f", "0" * 64, 1, lambda: iter([b"x"]))
        with pytest.raises(Away) as away:
            Sending(api, file, moved=lambda _: None).run()
    assert away.value.exit == Exit.AWAY


def test_what_the_server_would_refuse_is_refused_before_a_byte_travels(
    command: Command, adapter: Adapter, tmp_path: Path
) -> None:
    folder = folder_of({"weights.bin": b"x"}, tmp_path / "run")
    (folder / "link").symlink_to("weights.bin")
    ran = command("push", folder, "--adapter", "triage", "--json")
    assert ran.code == Exit.REFUSED
    assert {error["code"] for error in ran.body["error"]["errors"]} == {"link"}
    (folder / "link").unlink()
    assert "adapter_config.json" in command("push", folder, "--adapter", "triage").err
    assert not Upload.objects.exists()


def test_refusals_of_the_server_end_with_1_and_say_how_to_mend(
    command: Command, adapter: Adapter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = folder_of(make.package(seed=65), tmp_path / "run")
    unknown = command("push", folder, "--adapter", "no-such", "--json")
    assert (unknown.code, unknown.body["error"]["code"]) == (1, "adapter-not-found")
    odd = command("push", folder, "--adapter", "../../x?y=1", "--json")
    assert odd.code == 1
    assert command("push", folder, "--adapter", "triage", "--version-name", "v1").code == 0
    (folder / "more").write_bytes(b"more")
    taken = command("push", folder, "--adapter", "triage", "--version-name", "v1")
    assert taken.code == 1
    assert "mend:" in taken.err
    monkeypatch.setenv("FORMULARY_TOKEN", "frm_wrong")
    assert command("push", folder, "--adapter", "triage").code == 1


@pytest.mark.parametrize("label", ["{", "[]", "", "\\udc00" * 3, "[" * 100_000])
def test_labels_that_are_none(
    command: Command, adapter: Adapter, tmp_path: Path, label: str
) -> None:
    path = tmp_path / "label.json"
    path.write_text(label)
    ran = command("push", tmp_path, "--adapter", "triage", "--label", path)
    assert ran.code == Exit.WRONG_USE
