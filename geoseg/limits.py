"""Limits that a process sets for itself before it looks at what others made."""

from __future__ import annotations

import ctypes
import os
import struct
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

__all__ = ["bytes_held", "end_with_parent", "forbid_writes", "limit_memory"]

_PR_SET_NO_NEW_PRIVS = 38
_CREATE_RULESET, _RESTRICT_SELF = 444, 446
_WRITES = {1: 0x1FF2, 2: 0x3FF2, 3: 0x7FF2}
"""Rights of Landlock that change files (linux/landlock.h), by version of its interface: all but execute and read."""
_CONNECTIONS = 0x3
"""Rights to bind and to connect TCP, from version 4 on."""


def bytes_held() -> int:
    """Address space that this process has now; 0 where the system does not tell."""
    with suppress(OSError, ValueError):
        return int(Path("/proc/self/statm").read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")
    return 0


def limit_memory(most: int) -> None:
    """Have the system refuse memory beyond this: libraries then report an error, and the machine does not run short."""
    if sys.platform != "linux":
        return
    import resource

    with suppress(ValueError, OSError):  # a lower limit is set already
        resource.setrlimit(resource.RLIMIT_AS, (most, resource.getrlimit(resource.RLIMIT_AS)[1]))


def end_with_parent() -> None:
    """End this process when its parent ends, also in the middle of a long call."""
    threading.Thread(target=_watch, args=(os.getppid(),), daemon=True).start()


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(2)
    os._exit(1)


def forbid_writes() -> None:
    """Give up the right to write, make or remove any file, and to open connections, for this process and its children.

    Files that are open stay so. Files: no bytes can be added (RLIMIT_FSIZE), and where Linux has Landlock (5.13 and
    newer) none can be opened for writing, made, renamed or removed, and TCP is closed (6.7 and newer).
    """
    if sys.platform != "linux":
        return
    import resource

    with suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    system = ctypes.CDLL(None, use_errno=True)
    version = system.syscall(_CREATE_RULESET, None, 0, 1)
    if version < 1:
        return
    rights = struct.pack("QQ", _WRITES[min(version, 3)], _CONNECTIONS)[: 16 if version >= 4 else 8]
    rules = system.syscall(_CREATE_RULESET, rights, len(rights), 0)
    if rules < 0:
        return
    system.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    system.syscall(_RESTRICT_SELF, rules, 0)
    os.close(rules)
