"""The console app."""

from typing import Any

from django.apps import AppConfig
from django.core import checks


class ConsoleConfig(AppConfig):
    """The pages for people."""

    name = "config.console"
    label = "console"

    def ready(self) -> None:
        """Have its site checked with all else; no other process needs its pages, nor loads them."""
        checks.register(check_console, checks.Tags.admin)


def check_console(app_configs: Any, **_: Any) -> list[checks.CheckMessage]:
    """The records that the console shows, as Django checks those of each site that it knows."""
    from config.console.sites import console

    console.take_records()
    return console.check(app_configs)
