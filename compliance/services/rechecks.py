"""The nightly round: are the stored bytes and the signed records still what they were?"""

from compliance.models import CheckRun
from compliance.selectors.permissions import open_permissions
from compliance.services import check_runs, voiding
from compliance.states import Purpose


def open_due() -> int:
    """Open a live check for each permitted version; how many.

    An approval is void only where a signed fact was changed behind the application's back; the
    results of the round itself are no part of any record.
    """
    count = 0
    for permission in open_permissions(Purpose.SERVE):
        check_runs.open(version=permission.version, kind=CheckRun.Kind.LIVE)
        voiding.void_changed(version=permission.version)
        count += 1
    return count
