"""Read-only records in the console: the base class, and the list that the console shows.

Rooms can't import the console, which lies above them; they list their records here.
"""

from collections.abc import Callable
from typing import Any

from django.db.models import Model
from django.http import HttpRequest
from unfold.admin import ModelAdmin


class ReadOnlyAdmin(ModelAdmin):
    """Records to look at. Nothing is added, changed or deleted here: that goes through services."""

    actions = None
    list_per_page = 50
    show_full_result_count = False

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Never."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Never."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Never."""
        return False


RECORDS: list[tuple[type[Model], type[ReadOnlyAdmin]]] = []


def record(model: type[Model]) -> Callable[[type[ReadOnlyAdmin]], type[ReadOnlyAdmin]]:
    """Class decorator: show ``model`` in the console by this admin."""

    def add(admin: type[ReadOnlyAdmin]) -> type[ReadOnlyAdmin]:
        RECORDS.append((model, admin))
        return admin

    return add
