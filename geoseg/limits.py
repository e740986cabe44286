"""Limits that a process sets for itself before it looks at what others made."""

from __future__ import annotations

import ctypes
import importlib.util
import os
import struct
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

from geoseg.errors import EnvironmentFault

__all__ = [
    "address_limit",
    "bytes_held",
    "cores",
    "end_with_parent",
    "few_arenas",
    "forbid_writes",
    "is_short_of_memory",
    "limit_memory",
    "memory_fault",
]

_PR_SET_NO_NEW_PRIVS = 38
_CREATE_RULESET, _RESTRICT_SELF = 444, 446
_WRITES = {1: 0x1FF2, 2: 0x3FF2, 3: 0x7FF2}
"""Rights of Landlock that change files (linux/landlock.h), by version of its interface: all but execute and read."""
_CONNECTIONS = 0x3
"""Rights to bind and to connect TCP, from version 4 on."""


_SHORT = (
    *("allocate memory", "can't alloc", "bad_alloc", "bad allocation", "Cannot allocate", "out of memory"),
    "failed to map segment",
)
"""What libraries say where the system gives no more memory."""
_ARENAS = -8
"""M_ARENA_MAX of malloc.h."""
_BESIDE_TORCH, _MOST_OF_TORCH = 3 << 30, 29 << 27
"""Bytes of address space that a run on small sheets takes besides the libraries of torch, and that these take at most:
a build for CUDA brings 4 GB of them, of which 3 are mapped."""


def is_short_of_memory(error: BaseException | str) -> bool:
    """Whether an error says that the system gave no more memory."""
    return isinstance(error, MemoryError) or any(words in str(error) for words in _SHORT)


def address_limit() -> int | None:
    """Bytes of address space that this process may take (ulimit -v); None for any."""
    if sys.platform != "linux":
        return None
    import resource

    limit = resource.getrlimit(resource.RLIMIT_AS)[0]
    return None if limit == resource.RLIM_INFINITY else limit


def few_arenas() -> None:
    """Have glibc keep one heap for all threads where address space is limited: each other one reserves 64 MiB."""
    if address_limit() is not None:
        with suppress(AttributeError, OSError, TypeError):  # another C library
            ctypes.CDLL(None).mallopt(_ARENAS, 1)


def memory_fault(error: BaseException | str) -> EnvironmentFault | None:
    """What to say of an error that a limit of address space caused; None for any other error."""
    limit = address_limit()
    if limit is None or not is_short_of_memory(error):
        return None
    needed = (_BESIDE_TORCH + min(_MOST_OF_TORCH, _torch_libraries())) / 2**30
    what = f"allows {limit / 2**30:.1f} GiB of address space; geoseg with this PyTorch needs about {needed:.1f} GiB"
    cure = "raise it, or limit memory itself instead: MemoryMax of systemd, the memory of a container, --max-ram"
    return EnvironmentFault("ulimit -v", what, cure)


def _torch_libraries() -> int:
    """Bytes of the libraries of torch and of CUDA, without importing them."""
    found = importlib.util.find_spec("torch")
    places = [] if found is None or found.origin is None else [Path(found.origin).parent]
    patterns = [(p / "lib", "*.so*") for p in places] + [(p.parent / "nvidia", "*/lib/*.so*") for p in places]
    with suppress(OSError):  # not even a folder can be listed
        return sum(f.stat().st_size for folder, pattern in patterns for f in folder.glob(pattern))
    return _MOST_OF_TORCH


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


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
