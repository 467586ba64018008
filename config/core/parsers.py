"""JSON bodies: what the standard parser would let through or break on is refused by name."""

from collections.abc import Mapping
from typing import Any

from django.conf import settings
from django.core.exceptions import RequestDataTooBig
from rest_framework.exceptions import ParseError
from rest_framework.parsers import JSONParser

from config.core.strict_json import loads


class StrictJSONParser(JSONParser):
    """JSON without names that stand twice, NaN, Infinity and endless nesting.

    What the texts in it may hold, and how deep it may be, is judged by ``StrictRequest``, for every
    kind of body.
    """

    def parse(
        self,
        stream: Any,
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> Any:
        """The parsed body.

        Raises:
            RequestDataTooBig: it has more bytes than are held in memory.
            ParseError: it is no JSON, or one that readers would understand differently.
        """
        limit_bytes: int = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
        raw: bytes = stream.read(limit_bytes + 1)
        if len(raw) > limit_bytes:
            raise RequestDataTooBig(f"The JSON has more than {limit_bytes} bytes.")
        try:
            # StrictRequest has seen that it is said to be UTF-8.
            return loads(raw.decode())
        except ValueError as error:
            raise ParseError(f"JSON parse error: {_reason(error)}.") from error


def _reason(error: ValueError) -> str:
    return "the bytes are no UTF-8 text" if isinstance(error, UnicodeDecodeError) else str(error)
