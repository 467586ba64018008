"""Free TCP ports on the loopback address."""

import secrets
import socket
from pathlib import Path

HANDED_OUT = Path("/proc/sys/net/ipv4/ip_local_port_range")
"""Where Linux says which ports it gives to whoever asks for any: the first and the last."""
_LOWEST, _LEAST_CHOICE, _TRIES = 20_000, 1_000, 50


def free_port(*, handed_out: Path = HANDED_OUT) -> int:
    """A port that was free a moment ago, and that the system hands out to nobody by itself.

    Anybody's next connection could else take it before our server has it, or while it restarts.
    Where ``handed_out`` tells no range, or one that leaves little choice, it is any free port.
    """
    choice = _first_of(handed_out) - _LOWEST
    if choice >= _LEAST_CHOICE:
        for _ in range(_TRIES):
            port = _LOWEST + secrets.randbelow(choice)
            with socket.socket() as probe:
                try:
                    probe.bind(("127.0.0.1", port))
                except OSError:
                    continue
                return port
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def first_free_from(wanted: int, *, tries: int = 50) -> int:
    """``wanted``, or the next port that is free.

    Raises:
        OSError: none of ``tries`` ports is free.
    """
    for port in range(wanted, wanted + tries):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise OSError(f"No free port between {wanted} and {wanted + tries - 1}")


def _first_of(handed_out: Path) -> int:
    """The lowest port of the range; 0 where it is not known."""
    try:
        return int(handed_out.read_text().split()[0])
    except (OSError, ValueError, IndexError):
        return 0
