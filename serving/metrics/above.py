"""Collectors of the rooms above: named when Django starts, made at the first scrape.

Only a web process is scraped: the workers and the control loop need not import what they count.
"""

from functools import cache

from django.utils.module_loading import import_string
from prometheus_client.registry import Collector

FROM_ABOVE: list[str] = []
"""Dotted paths of their classes; they read the database."""


@cache
def collector(path: str) -> Collector:
    """The one collector of this process that ``path`` names."""
    made: Collector = import_string(path)()
    return made
