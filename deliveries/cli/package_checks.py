"""The package checks of the compliance room, run on a package that lies on this machine.

The one place where a room above uses the checks themselves: they are pure, and a pipeline that
asks before it pushes must hear what the server would say.
"""

from pathlib import Path

from compliance.checks.package_report import PathUnusable, folder_base, report_on

__all__ = ["PathUnusable", "report_on_package"]


def report_on_package(path: Path, base: Path) -> tuple[str, list[dict[str, str]]]:
    """The verdict, ``pass`` or ``blocked``, and the findings.

    Raises:
        PathUnusable: there is no package at ``path``.
        BaseFolderInvalid: ``base`` holds no base model.
    """
    report = report_on(path, folder_base(base))
    findings = [
        {key: str(value) for key, value in finding.as_dict().items()} for finding in report.findings
    ]
    return str(report.verdict), findings
