"""Numbers about adapters, counted from rows; what was not measured is None."""

import csv
import io
import json
from datetime import UTC, datetime
from typing import Any

from config.accounts.roles import Act
from config.core import clock
from config.core.errors import Invalid
from registry.models import Adapter, BaseModel
from serving.lifecycle import lookups
from serving.lifecycle.acting import Acting, from_anywhere
from serving.selectors.performance import loads_of, speed_of, usage_by_hour, usage_of

FORMATS = ("json", "csv")
COLUMNS = (
    "hour", "deployment", "version", "arm", "requests", "successful", "failed",
    "replaced_by_stable", "avg_latency_ms", "completion_tokens",
)  # fmt: skip


class Metrics:
    """``lifecycle.metrics``; its methods are plain functions that a coroutine may call too."""

    def __init__(self, acting: Acting, base: BaseModel) -> None:
        self._acting, self._base = acting, base

    def get_adapter_performance(self, adapter_id: str) -> dict[str, Any]:
        """``usage_statistics`` and ``performance_metrics`` of all that is kept of an adapter.

        Raises:
            AdapterNotFound: there is none of this id.
        """
        return from_anywhere(lambda: self._performance(adapter_id))

    def export_metrics(
        self, adapter_id: str, start_time: float | None = None, format: str = "json"
    ) -> str:
        """The same since ``start_time`` (seconds since 1970), and hour by hour.

        ``json``: also each load. ``csv``: the hours alone, under ``COLUMNS``.

        Raises:
            Invalid: another format, or no moment.
            AdapterNotFound: there is none of this id.
        """
        if format not in FORMATS:
            raise Invalid(
                f"There is no format {str(format)[:20]!r}.", fix=f"Use {' or '.join(FORMATS)}."
            )
        since = _moment(start_time)
        return from_anywhere(lambda: self._export(adapter_id, since, format))

    def _adapter(self, adapter_id: str) -> Adapter:
        self._acting.require(Act.READ)
        return lookups.adapter_by_id(adapter_id, self._base)

    def _performance(self, adapter_id: str) -> dict[str, Any]:
        return _told(adapter_id, self._adapter(adapter_id), None)

    def _export(self, adapter_id: str, since: datetime | None, format: str) -> str:
        adapter = self._adapter(adapter_id)
        hours = usage_by_hour(adapter, since=since)
        if format == "csv":
            stream = io.StringIO()
            writer = csv.DictWriter(stream, COLUMNS, lineterminator="\n")
            writer.writeheader()
            writer.writerows(hours)
            return stream.getvalue()
        told = {
            **_told(adapter_id, adapter, since),
            "start_time": since.isoformat() if since is not None else None,
            "end_time": clock.now().isoformat(),
            "hours": hours,
            "loads": loads_of(adapter, since=since),
        }
        return json.dumps(told, indent=2)


def _told(adapter_id: str, adapter: Adapter, since: datetime | None) -> dict[str, Any]:
    usage = usage_of(adapter, since=since)
    for key in ("first_used_at", "last_used_at"):
        usage[key] = usage[key].isoformat() if usage[key] is not None else None
    return {
        "adapter_id": adapter_id,
        "usage_statistics": usage,
        "performance_metrics": speed_of(adapter, since=since),
    }


def _moment(seconds: float | None) -> datetime | None:
    if seconds is None:
        return None
    try:
        return datetime.fromtimestamp(seconds, tz=UTC)
    except (TypeError, ValueError, OverflowError, OSError) as error:
        raise Invalid(
            "start_time is no moment.", fix="Give seconds since 1970: time.time() - 86400."
        ) from error
