"""Every fault of the library is caught by its check; every good adapter passes."""

import json
from pathlib import Path

import pytest

from compliance.checks.package_report import Base, report_on
from compliance.domain.results import State, Verdict
from tests.faults.faulty import FAULTS
from tests.faults.good import GOOD


@pytest.mark.parametrize("name", FAULTS)
def test_each_fault_is_caught_by_its_check_and_says_how_to_mend_it_M3_M33_M34_M44_M46_M47(
    name: str, tmp_path: Path, base: Base
) -> None:
    fault = FAULTS[name]
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
