"""The package checks over a folder or an archive that the registry does not hold."""

from pathlib import Path

from compliance.checks.package_report import Base, PackageReport, PathUnusable, report_on
from config.core.errors import Invalid
from registry.domain.base_folder import BaseFacts
from registry.models import BaseModel


def registered(row: BaseModel) -> Base:
    """A registered base, to check packages against."""
    return Base(BaseFacts.from_json(row.facts), row.known_names, Path(row.folder))


def package_report(path: Path, base_model: BaseModel) -> PackageReport:
    """What ``check_adapter`` finds at ``path`` against a registered base; nothing is kept.

    Raises:
        Invalid: there is neither a folder nor a ZIP archive that can be read.
    """
    try:
        return report_on(path, registered(base_model))
    except PathUnusable as error:
        raise Invalid(f"{error}.", fix="Give the adapter's folder or its ZIP archive.") from error
    except OSError as error:
        raise Invalid(
            f"{path} can't be read: {error.strerror}.", fix="Mend its rights, or copy it."
        ) from error
