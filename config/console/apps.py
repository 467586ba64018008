"""The console app."""

from django.apps import AppConfig


class ConsoleConfig(AppConfig):
    """The pages for people."""

    name = "config.console"
    label = "console"

    def ready(self) -> None:
        """Show the records that the rooms list."""
        from django.utils.module_loading import autodiscover_modules

        from config.console.sites import console
        from config.core.admin import RECORDS

        autodiscover_modules("admin")
        for model, admin in RECORDS:
            console.register(model, admin)
