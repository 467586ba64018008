"""Runs what needs the database in threads, away from the event loop."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

from asgiref.sync import sync_to_async
from django.db import close_old_connections

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


class DatabaseThreads:
    """A few threads for one purpose: what hangs there holds up nothing else."""

    def __init__(self, purpose: str, *, count: int) -> None:
        self._executor = ThreadPoolExecutor(count, thread_name_prefix=f"gateway-{purpose}")

    async def run(
        self,
        function: Callable[Arguments, Result],
        *args: Arguments.args,
        **kwargs: Arguments.kwargs,
    ) -> Result:
        """Call ``function`` in one of the threads, with that thread's database connection."""

        def call() -> Result:
            close_old_connections()
            try:
                return function(*args, **kwargs)
            finally:
                close_old_connections()

        return await sync_to_async(call, thread_sensitive=False, executor=self._executor)()

    def close(self) -> None:
        """Take no more calls; those that run are not waited for."""
        self._executor.shutdown(wait=False, cancel_futures=True)
