"""A request as the toolkit sees it, whatever framework it came through."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from config.core import strict_json


class Headers(dict[str, str]):
    """Headers by name, whatever its case."""

    def __init__(self, items: Mapping[str, str] | Iterable[tuple[str, str]] = ()) -> None:
        pairs = items.items() if isinstance(items, Mapping) else items
        super().__init__((name.lower(), value) for name, value in pairs)

    def __getitem__(self, name: str) -> str:
        return super().__getitem__(name.lower())

    def __setitem__(self, name: str, value: str) -> None:
        super().__setitem__(name.lower(), value)

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and super().__contains__(name.lower())

    def get(self, name: str, default: Any = None) -> Any:
        """The value of ``name``, or ``default``."""
        return super().get(name.lower(), default)


class Request:
    """Body, headers, query and path of one request.

    ``native`` is the framework's own request; what this class lacks (``user``, ``method``, …) is
    looked up there. ``query_params`` holds the last value of each key, ``path_params`` what the
    router took from the path.
    """

    def __init__(
        self,
        *,
        body: bytes = b"",
        headers: Mapping[str, str] | Iterable[tuple[str, str]] = (),
        query_params: Mapping[str, str] | None = None,
        path_params: Mapping[str, str] | None = None,
        native: Any = None,
    ) -> None:
        self.body = body
        self.headers = Headers(headers)
        self.query_params = dict(query_params or {})
        self.path_params = dict(path_params or {})
        self.native = native

    def __getattr__(self, name: str) -> Any:
        if name == "native" or name.startswith("__"):
            raise AttributeError(name)
        return getattr(self.native, name)

    @property
    def data(self) -> Any:
        """The parsed body.

        Raises:
            NameTwice: an object in it has a name twice; the message names it.
            ValueError: it is no JSON; the message holds positions and nothing of the text.
        """
        return strict_json.parse(self.body)

    async def json(self) -> Any:
        """The parsed body, for code that awaits it."""
        return self.data

    def replace_body(self, value: Any) -> None:
        """Put ``value`` in as the JSON body; the length in the headers follows."""
        self.body = json.dumps(value).encode()
        self.headers["Content-Length"] = str(len(self.body))
