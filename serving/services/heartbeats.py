"""Signs of life of processes that have the database."""

from collections.abc import Mapping
from datetime import datetime

from config.core import clock
from serving.models import Heartbeat

CONTROL = "control"
# A duty of the deliveries' sweep: when the delivery that waits longest should have been tried.
OLDEST_DUE = "oldest_due"


def beat(*, name: str, duties: Mapping[str, datetime]) -> None:
    """Write that the process lives, and when each of its duties last ended well."""
    Heartbeat.objects.update_or_create(
        name=name,
        defaults={
            "at": clock.now(),
            "duties": {duty: clock.isoformat(at) for duty, at in duties.items()},
        },
    )
