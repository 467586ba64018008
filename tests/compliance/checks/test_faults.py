"""Every fault of the library is caught by its check; every good adapter passes."""

import json
import shutil
from pathlib import Path

import pytest

from compliance.checks.package_report import Base, folder_base, report_on
from compliance.domain.results import State, Verdict
from registry.domain.base_folder import BaseFolderInvalid
from tests.faults.faulty import FAULTS
from tests.faults.good import GOOD
from tests.faults.makers import configured, headed
from tests.faults.sly import SLY, cut_for_batches

EVERY = {**FAULTS, **SLY}


@pytest.mark.parametrize("name", EVERY)
def test_each_fault_is_caught_by_its_check_and_says_how_to_mend_it_M3_M33_M34_M44_M46_M47(
    name: str, tmp_path: Path, base: Base
) -> None:
    fault = EVERY[name]
    report = report_on(fault.make(tmp_path / "adapter"), base)
    assert report.verdict is Verdict.BLOCKED
    caught = [f for f in report.findings if f.id == fault.check and f.is_blocking]
    assert caught, [f.as_dict() for f in report.findings if f.is_blocking]
    assert any(fault.names in finding.object for finding in caught), [f.object for f in caught]
    assert all(finding.message and finding.fix and finding.object for finding in caught)
    assert not (tmp_path / "EXECUTED").exists()
    assert not [f for f in report.findings if f.state is State.ERROR]
    json.loads(report.as_json())


@pytest.mark.parametrize("name", GOOD)
def test_good_adapters_pass_without_a_warning(name: str, tmp_path: Path, base: Base) -> None:
    report = report_on(GOOD[name](tmp_path / "adapter"), base)
    loud = [
        f.as_dict() for f in report.findings if f.state not in (State.PASS, State.NOT_APPLICABLE)
    ]
    assert report.verdict is Verdict.PASS, loud
    assert not loud


def test_what_a_trainer_set_for_its_batches_makes_no_other_tokenizer(
    tmp_path: Path, base: Base
) -> None:
    report = report_on(cut_for_batches(tmp_path / "adapter"), base)
    assert report.verdict is Verdict.PASS, [f.as_dict() for f in report.findings if f.is_blocking]


def test_a_pattern_that_names_nothing_is_told_and_blocks_nothing(
    tmp_path: Path, base: Base
) -> None:
    make = configured(rank_pattern={"k_proj": 4}, alpha_pattern={r"layers\.0\..*q_proj": 16})
    report = report_on(make(tmp_path / "adapter"), base)
    warned = [f.object for f in report.findings if f.id == "TEC-03" and f.state is State.WARN]
    assert warned == ["adapter_config.json:rank_pattern.k_proj"]
    assert report.verdict is Verdict.PASS


def test_tensors_by_the_ten_thousand_are_refused_before_they_are_compared(
    tmp_path: Path, base: Base
) -> None:
    def crowd(header: dict[str, object], data: bytes) -> tuple[bytes, bytes]:
        end = [len(data)] * 2
        entry = {"dtype": "F32", "shape": [0], "data_offsets": end}
        return json.dumps(header | {f"t{n}": entry for n in range(50_001)}).encode(), data

    report = report_on(headed(crowd)(tmp_path / "adapter"), base)
    said = [f.message for f in report.findings if f.id == "SEC-01" and f.is_blocking]
    assert said and "50000 are allowed" in said[0]


def test_a_base_whose_tokenizer_is_none_is_refused_in_words(
    tmp_path: Path, base_folder: Path
) -> None:
    broken = tmp_path / "base"
    shutil.copytree(base_folder, broken)
    (broken / "tokenizer.json").write_text('{"model": null}')
    with pytest.raises(BaseFolderInvalid, match="no tokenizer"):
        folder_base(broken)
