"""Containers: every trick is refused at the door, plain archives and folders are read."""

import io
import stat
import zipfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.domain.packages import (
    CONFIG_FILE,
    Member,
    PackageInvalid,
    PackageLimits,
    folder_members,
    plan_package,
    strip_top_folder,
)
from registry.domain.zip_packages import ZipPackage

SMALL = PackageLimits(files=10, file_bytes=2 << 20, total_bytes=3 << 20, ratio_free_bytes=1 << 16)


def zipped(
    *members: tuple[str | zipfile.ZipInfo, bytes], method: int = zipfile.ZIP_DEFLATED
) -> io.BytesIO:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", method) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return stream


def codes(stream: io.BytesIO, **options: object) -> set[str]:
    with pytest.raises(PackageInvalid) as refused:
        ZipPackage(stream, limits=SMALL, **options)  # type: ignore[arg-type]
    assert all(error["message"] and error["fix"] for error in refused.value.errors)
    return {error["code"] for error in refused.value.errors}


def with_mode(name: str, mode: int) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name)
    info.create_system = 3
    info.external_attr = mode << 16
    return info


def read_all(stream: io.BytesIO, limits: PackageLimits = SMALL) -> dict[str, bytes]:
    with ZipPackage(stream, limits=limits) as package:
        return {m.path: b"".join(package.pieces(m)) for m in package.members}


def test_a_plain_archive_is_listed_and_read() -> None:
    content = {"adapter_config.json": b"{}", "sub/x.txt": b"x" * 5000}
    assert read_all(zipped(*content.items())) == content


def test_one_top_folder_is_stripped() -> None:
    stream = zipped(("my-adapter/", b""), ("my-adapter/adapter_config.json", b"{}"))
    assert read_all(stream) == {"adapter_config.json": b"{}"}


def test_two_top_folders_stay() -> None:
    members = [Member("a/x", 1), Member("b/y", 1)]
    assert strip_top_folder(members) == members


@pytest.mark.parametrize(
    "name",
    [
        "../evil",
        "a/../../evil",
        "/etc/passwd",
        "C:/windows/evil",
        "..\\evil",
        "a//b",
        "./a",
        "a\x1b[2Jb",
        "x" * 300,
        "/".join("abcdefghij"),
    ],
)
def test_unsafe_paths_are_refused(name: str) -> None:
    assert "unsafe_path" in codes(zipped((name, b"x")))


def test_a_name_cut_by_a_nul_byte_is_refused() -> None:
    raw = zipped(("adapter_config.jsonXevil", b"{}")).getvalue()
    broken = io.BytesIO(raw.replace(b".jsonXevil", b".json\0evil"))
    assert "unsafe_path" in codes(broken)


def test_links_and_devices_are_refused() -> None:
    assert "link" in codes(zipped((with_mode("a", stat.S_IFLNK | 0o777), b"/etc/passwd")))
    assert "not_a_file" in codes(zipped((with_mode("a", stat.S_IFCHR), b"")))


def test_names_that_are_one_on_some_disks_are_refused() -> None:
    assert "duplicate" in codes(zipped(("a.json", b"1"), ("A.JSON", b"2")))
    assert "duplicate" in codes(zipped(("\u00e9", b"1"), ("e\u0301", b"2")))
    assert "duplicate" in codes(zipped(("a", b"1"), ("a/b", b"2")))
    with pytest.warns(UserWarning, match="Duplicate"):
        twice = zipped(("a", b"1"), ("a", b"2"))
    assert "duplicate" in codes(twice)


def test_a_bomb_is_refused_by_its_ratio_and_by_its_total() -> None:
    assert "bomb" in codes(zipped(("a", bytes(1 << 20))))
    many = zipped(*[(f"f{i}", bytes(1 << 20)) for i in range(4)])
    assert "too_large" in codes(many)
    assert "too_large" in codes(zipped(("a", bytes(3 << 20)), method=zipfile.ZIP_STORED))


def test_too_many_members_are_refused() -> None:
    assert "too_many_files" in codes(zipped(*[(f"f{i}", b"") for i in range(11)]))
    huge = zipped(*[(f"f{i:0200}", b"") for i in range(400)])
    assert codes(huge) == {"too_many_files"}


def test_encrypted_members_and_other_methods_are_refused() -> None:
    raw = bytearray(zipped(("a", b"x")).getvalue())
    at = raw.find(b"PK\x01\x02")
    raw[at + 8] |= 1
    assert "encrypted" in codes(io.BytesIO(bytes(raw)))
    assert "method" in codes(zipped(("a", b"x" * 100), method=zipfile.ZIP_LZMA))


def test_an_archive_that_lies_about_its_sizes_is_cut_off() -> None:
    raw = bytearray(zipped(("a", b"y" * 60_000)).getvalue())
    for mark, place in ((b"PK\x01\x02", 24), (b"PK\x03\x04", 22)):
        at = raw.find(mark)
        raw[at + place : at + place + 4] = (100).to_bytes(4, "little")
    with pytest.raises(PackageInvalid):
        read_all(io.BytesIO(bytes(raw)))


def test_what_comes_out_is_counted_over_all_members() -> None:
    limits = PackageLimits(files=10, file_bytes=4000, total_bytes=8000)
    with ZipPackage(zipped(("a", b"1" * 3000), ("b", b"2" * 3000)), limits=limits) as package:
        for _ in range(2):
            assert len(b"".join(package.pieces(package.members[0]))) == 3000
        with pytest.raises(PackageInvalid) as refused:
            list(package.pieces(package.members[1]))
    assert refused.value.faults[0].code == "bomb"


def test_a_damaged_member_is_refused() -> None:
    raw = bytearray(zipped(("a", bytes(range(256)) * 20), method=zipfile.ZIP_STORED).getvalue())
    raw[100] ^= 0xFF
    with pytest.raises(PackageInvalid, match="damaged"):
        read_all(io.BytesIO(bytes(raw)))


def test_missing_files_are_named() -> None:
    assert codes(zipped(("README.md", b"x")), required=(CONFIG_FILE,)) == {"missing"}
    nested = zipped((f"top/{CONFIG_FILE}", b"{}"))
    with ZipPackage(nested, required=(CONFIG_FILE,)) as package:
        assert [member.path for member in package.members] == [CONFIG_FILE]
    assert codes(zipped()) == {"empty"}


@given(st.binary(max_size=400))
def test_arbitrary_bytes_raise_only_our_error(raw: bytes) -> None:
    with pytest.raises(PackageInvalid):
        read_all(io.BytesIO(raw))


@given(st.data())
def test_a_damaged_archive_raises_only_our_error(data: st.DataObject) -> None:
    raw = bytearray(zipped(("adapter_config.json", b"{}"), ("w", bytes(range(200)))).getvalue())
    for _ in range(data.draw(st.integers(1, 4))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    try:
        read_all(io.BytesIO(bytes(raw)))
    except PackageInvalid as refused:
        assert refused.errors


@given(st.lists(st.tuples(st.text(max_size=20), st.integers(0, 10)), max_size=6))
def test_any_names_can_be_planned(names: list[tuple[str, int]]) -> None:
    for fault in plan_package([Member(name, size) for name, size in names]):
        assert fault.path.isprintable() or fault.path == ""
        assert fault.message


def test_a_folder_is_listed_without_following_links(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "x").write_text("1")
    (tmp_path / "out").symlink_to("/etc")
    members = folder_members(tmp_path)
    assert [member.path for member in members] == ["a/x", "out"]
    assert {fault.code for fault in plan_package(members)} == {"link"}
