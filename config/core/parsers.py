"""JSON bodies: what the standard parser would turn into an error of ours is refused by name."""

from collections.abc import Mapping
from typing import Any

from rest_framework.exceptions import ParseError
from rest_framework.parsers import JSONParser

from config.core.texts import unstorable


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
            why = unstorable(body)
        except RecursionError as error:
            raise ParseError("The JSON is nested too deeply.") from error
        if why:
            raise ParseError(f"A text in the body {why}.")
        return body
