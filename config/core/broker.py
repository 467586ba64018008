"""What Redis tells of the queues and of who is alive; every call ends within a second.

A process without the database gives its sign of life here: a key that ends by itself. Its age is
read from the time that it has left, so that the clocks of two machines need not agree.
"""

import json
from collections.abc import Mapping, Sequence
from functools import lru_cache

import redis
from django.conf import settings

ALIVE = "formulary:alive:"
KEPT_SECONDS = 24 * 3600
CALL_SECONDS = 0.7
MAX_SIGNS = 500


class BrokerAway(Exception):
    """Redis did not answer; the text says how, and never with what password it was asked."""


@lru_cache(maxsize=4)
def _client(url: str) -> "redis.Redis":
    return redis.Redis.from_url(
        url,
        socket_timeout=CALL_SECONDS,
        socket_connect_timeout=CALL_SECONDS,
        decode_responses=True,
    )


def is_configured() -> bool:
    """Whether there is a broker at all."""
    return bool(settings.REDIS_URL)


def ping() -> None:
    """Ask whether it answers.

    Raises:
        BrokerAway: it does not.
    """
    try:
        _client(settings.REDIS_URL).ping()
    except redis.RedisError as error:
        raise BrokerAway(type(error).__name__) from error


def sign(name: str, *, queues: Sequence[str] = ()) -> None:
    """Say that the process ``name`` lives, and which queues it takes tasks from.

    Raises:
        BrokerAway: nobody hears it.
    """
    try:
        _client(settings.REDIS_URL).set(f"{ALIVE}{name}", json.dumps(list(queues)), ex=KEPT_SECONDS)
    except redis.RedisError as error:
        raise BrokerAway(type(error).__name__) from error


def lengths(queues: Sequence[str]) -> dict[str, int]:
    """Messages that wait in each queue.

    Raises:
        BrokerAway: it does not answer.
    """
    try:
        pipe = _client(settings.REDIS_URL).pipeline(transaction=False)
        for queue in queues:
            pipe.llen(queue)
        return dict(zip(queues, map(int, pipe.execute()), strict=True))
    except redis.RedisError as error:
        raise BrokerAway(type(error).__name__) from error


def signs() -> Mapping[str, tuple[float, tuple[str, ...]]]:
    """Name → (age in seconds, queues) of each process that signed in the last day.

    Raises:
        BrokerAway: it does not answer.
    """
    try:
        client = _client(settings.REDIS_URL)
        keys = []
        for key in client.scan_iter(match=f"{ALIVE}*", count=1000):
            keys.append(key)
            if len(keys) == MAX_SIGNS:
                break
        pipe = client.pipeline(transaction=False)
        for key in keys:
            pipe.pttl(key)
            pipe.get(key)
        told = pipe.execute()
    except redis.RedisError as error:
        raise BrokerAway(type(error).__name__) from error
    found = {}
    for key, left_ms, queues in zip(keys, told[::2], told[1::2], strict=True):
        if queues is not None and left_ms >= 0:
            age = max(0.0, KEPT_SECONDS - left_ms / 1000)
            found[key.removeprefix(ALIVE)] = (age, tuple(json.loads(queues)))
    return found
