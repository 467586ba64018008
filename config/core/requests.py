"""REST framework's request, whose body, of whatever form, holds only what can be stored."""

import codecs
from collections.abc import Mapping
from typing import Any

from django.http import QueryDict
from django.utils.datastructures import MultiValueDict
from rest_framework.exceptions import ParseError, UnsupportedMediaType
from rest_framework.request import Request

from config.core.texts import find_unstorable

UTF_8 = "utf-8"


class OtherEncoding(UnsupportedMediaType):
    """The body is said to be in another encoding than UTF-8."""

    def __init__(self) -> None:
        super().__init__("", detail="Bodies are UTF-8: leave charset out, or send charset=utf-8.")


class StrictRequest(Request):
    """Refuses a body with NUL, a lone surrogate or endless nesting before any view reads it.

    One place for every parser: JSON, forms, multipart, and those that a room brings.
    """

    def _parse(self) -> Any:
        """Data and files.

        Raises:
            UnsupportedMediaType: it is in another encoding than UTF-8.
            ParseError: naming the place of the first text that can't be stored.
        """
        self._refuse_other_encodings()
        data, files = super()._parse()  # type: ignore[misc]
        place, why = find_unstorable(_texts(data))
        if not why:
            place, why = find_unstorable({"": list(files)})
        if why:
            self._forget_body()
            raise ParseError(f"The body, at {place or '/'}: it {why}.")
        return data, files

    def _refuse_other_encodings(self) -> None:
        # Python's codecs hold more than alphabets: one could unpack, another write surrogates.
        encoding = self._request.encoding or UTF_8
        if codecs.lookup(encoding).name != UTF_8:
            self._request.encoding = UTF_8
            self._forget_body()
            raise OtherEncoding

    def _forget_body(self) -> None:
        """A second look at the body must not read the stream again, which may be at its end."""
        self._data = self._full_data = QueryDict("", encoding=UTF_8)
        self._files: MultiValueDict[str, Any] = MultiValueDict()


def _texts(data: Any) -> Any:
    """Every value of a form, also of names that are sent twice; files are no texts."""
    if isinstance(data, MultiValueDict):
        return {name: values[0] if len(values) == 1 else values for name, values in data.lists()}
    return data if isinstance(data, Mapping | list | str) else None
