"""Serializer fields for JSON that comes as a value, or as text in a form."""

from typing import Any

from rest_framework import serializers

from config.core.strict_json import NameTwice, loads
from config.core.texts import find_unstorable


class JsonField(serializers.JSONField):
    """JSON whose depth is bounded and whose texts can be stored; a fault names its place.

    In a JSON body it takes any value, in a form (or, with ``is_text``, always) a text that holds
    JSON. REST framework's own field ends in a RecursionError where the text is nested thousands
    of levels deep, and lets ``\\u0000`` through, which is an escape until the text is read.
    """

    is_text = False
    default_error_messages = {
        "invalid": "This is not JSON.",
        "twice": "This is not JSON: {why}.",
        "unstorable": "This can't be stored: at {place} it {why}.",
    }

    def to_internal_value(self, data: Any) -> Any:
        """The value.

        Raises:
            ValidationError: it is no JSON, too deep, or holds a text that can't be stored.
        """
        if getattr(data, "is_json_string", False) or (self.is_text and isinstance(data, str)):
            try:
                data = loads(data)
            except NameTwice as error:
                self.fail("twice", why=str(error))
            except ValueError:
                self.fail("invalid")
        place, why = find_unstorable(data)
        if why:
            self.fail("unstorable", place=place or "/", why=why)
        return data
