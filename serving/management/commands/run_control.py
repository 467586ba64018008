"""``manage.py run_control``: the control loop, until SIGTERM."""

import os
import signal
import threading
from types import FrameType
from typing import Any

from django.core.management.base import BaseCommand

from serving.control import Control

END_SECONDS = 2.0


class Command(BaseCommand):
    help = "Seal the audit trail, renew leases, observe nodes, push leases and stops."
    # `migrate` has run them. One that is started again after a fall is to lead at once, not to
    # load all pages first.
    requires_system_checks: list[str] = []

    def handle(self, *args: Any, **options: Any) -> None:
        control = Control()

        def end(number: int, frame: FrameType | None) -> None:
            control.stop()
            # Work that hangs in the network must not hold the process: nothing is lost by it.
            timer = threading.Timer(END_SECONDS - 0.1, os._exit, args=(0,))
            timer.daemon = True
            timer.start()

        signal.signal(signal.SIGTERM, end)
        signal.signal(signal.SIGINT, end)
        control.run()
        # The pools' threads may still wait for a node; their rounds are repeatable.
        os._exit(0)
