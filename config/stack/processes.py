"""Starting child processes that die with their parent, also when it is killed."""

import ctypes
import os
import pwd
import signal
from collections.abc import Callable
from pathlib import Path

PR_SET_PDEATHSIG = 1


def die_with_parent(
    death_signal: int = signal.SIGTERM, user: str | None = None
) -> Callable[[], None]:
    """A ``preexec_fn``: become ``user`` (if given), then ask the kernel for ``death_signal``.

    The order matters: a change of user clears the request. The request is tied to the thread
    that forks, so children are started from the main thread.
    """
    account = pwd.getpwnam(user) if user else None
    libc = ctypes.CDLL(None, use_errno=True)

    def prepare() -> None:
        if account is not None:
            os.setgroups([])
            os.setgid(account.pw_gid)
            os.setuid(account.pw_uid)
        libc.prctl(PR_SET_PDEATHSIG, death_signal, 0, 0, 0)

    return prepare


def may_enter(path: Path, uid: int) -> bool:
    """Whether ``uid`` (without groups) can reach ``path`` through its parents."""
    for folder in [path, *path.parents]:
        try:
            info = folder.stat()
        except FileNotFoundError:
            continue
        bit = 0o100 if info.st_uid == uid else 0o001
        if not info.st_mode & bit:
            return False
    return True


def half_the_processors() -> int:
    """Threads for one process of matrix products beside the others of the stack.

    Threads that wait for a core spin: with all processors a product took 30 times as long
    whenever another process was busy.
    """
    return max(1, (os.cpu_count() or 2) // 2)
