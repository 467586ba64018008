"""The console app."""

from django.apps import AppConfig


class ConsoleConfig(AppConfig):
    """The pages for people."""

    name = "config.console"
    label = "console"
