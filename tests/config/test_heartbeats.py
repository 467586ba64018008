"""A worker's heart beats while its work runs, whatever a single beat comes to, and not after it."""

import threading

from config.core.errors import Unavailable
from config.core.heartbeats import beating


def test_it_beats_while_the_block_runs_and_not_after_it() -> None:
    beats, three = [], threading.Event()

    def act() -> None:
        beats.append(1)
        if len(beats) == 3:
            three.set()

    with beating(act, every_seconds=0.01):
        assert three.wait(30)
    count = len(beats)
    assert not threading.Event().wait(0.05)
    assert len(beats) == count
    assert not [t for t in threading.enumerate() if t.name == "heartbeat"]


def test_a_beat_that_fails_does_not_end_the_heart() -> None:
    beats, again = [], threading.Event()

    def act() -> None:
        beats.append(1)
        if len(beats) > 1:
            again.set()
        raise Unavailable("the database is away")

    with beating(act, every_seconds=0.01):
        assert again.wait(30)
