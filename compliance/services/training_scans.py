"""Scans texts to train with, so that no worker learns from what nobody has looked at.

The scan is structural: it reads every record of a file and refuses what is malformed, empty, or no
text. It does not look for names or numbers of patients.
"""

from datetime import timedelta

import structlog
from django.conf import settings

from config.core import clock
from config.core.actors import SYSTEM
from config.core.errors import DomainError
from registry.domain.training_data import Severity, findings
from registry.models import ScanState, TrainingFile
from registry.services import training_files

log = structlog.get_logger(__name__)


def scan(*, file_id: int) -> ScanState | None:
    """Read a file through and write down whether it may be trained on; None where that is known.

    A store that does not answer leaves the file unscanned: the sweep comes back to it.
    """
    file = TrainingFile.objects.filter(pk=file_id, scan_state=ScanState.UNSCANNED).first()
    if file is None:
        return None
    try:
        with training_files.open_text(file) as stream:
            found = findings(file.kind, stream, size_bytes=file.size_bytes)
        state = (
            ScanState.REFUSED
            if any(row.severity is Severity.ERROR for row in found)
            else ScanState.PASSED
        )
        rows = [row.as_json() for row in found]
    except DomainError as error:
        state = ScanState.REFUSED
        rows = [{"code": error.code, "severity": "error", "number": 0, "message": error.message}]
    except OSError as error:
        log.warning("training_scan.store_away", object=str(file.uuid), error=type(error).__name__)
        return None
    training_files.record_scan(file=file, state=state, findings=rows, actor=SYSTEM)
    return state


def overdue() -> list[int]:
    """Files that nobody has scanned though their message should have come long ago."""
    before = clock.now() - timedelta(seconds=settings.WORK_TAKE_OVER_SECONDS)
    waiting = TrainingFile.objects.filter(scan_state=ScanState.UNSCANNED, uploaded_at__lt=before)
    return list(waiting.order_by("pk").values_list("pk", flat=True)[:500])
