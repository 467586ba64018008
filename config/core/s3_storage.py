"""The S3 storage with one client for all threads."""

import threading
from typing import Any

from storages.backends.s3 import S3Storage

_making = threading.Lock()


class SharedS3Storage(S3Storage):
    """The library keeps a client for each thread, and every request has a thread of its own.

    Making one takes a tenth of a second of CPU and a new connection. botocore's clients may be
    shared by threads; the storage needs nothing else of the resource that holds its client.
    """

    _shared: Any = None

    @property
    def connection(self) -> Any:
        """The resource, made when it is first needed."""
        if self._shared is None:
            with _making:
                if self._shared is None:
                    self._shared = super().connection
        return self._shared

    def __getstate__(self) -> dict[str, Any]:
        """Without the client, which can't be copied."""
        state: dict[str, Any] = super().__getstate__()
        state.pop("_shared", None)
        return state
