"""JSON bodies: what the standard parser would turn into an error of ours is refused by name."""

import codecs
from collections.abc import Mapping
from typing import Any

from rest_framework.exceptions import ParseError
from rest_framework.parsers import JSONParser


class StrictJSONParser(JSONParser):
    """JSON without NUL characters, lone surrogates or endless nesting.

    PostgreSQL stores no NUL, UTF-8 knows no lone surrogate, and a body nested thousands of levels
    deep would end the parser instead of the request.
    """

    def parse(
        self,
        stream: Any,
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> Any:
        """The parsed body.

        Raises:
            ParseError: it is no JSON, too deeply nested, or holds text that can't be stored.
        """
        try:
            body = super().parse(stream, media_type, parser_context)
            _refuse_unstorable(body)
        except RecursionError as error:
            raise ParseError("The JSON is nested too deeply.") from error
        return body


def _refuse_unstorable(value: Any) -> None:
    if isinstance(value, str):
        if "\x00" in value:
            raise ParseError("A text holds the character U+0000, which can't be stored.")
        try:
            codecs.encode(value, "utf-8")
        except UnicodeEncodeError as error:
            raise ParseError("A text holds half of a surrogate pair (U+D800-U+DFFF).") from error
    elif isinstance(value, Mapping):
        for key, item in value.items():
            _refuse_unstorable(key)
            _refuse_unstorable(item)
    elif isinstance(value, list):
        for item in value:
            _refuse_unstorable(item)
