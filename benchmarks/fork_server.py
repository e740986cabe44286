"""geoseg, imported once and forked for each command, so that hundreds of faults take minutes.

Commands come as JSON lines on stdin; {"pid"} and {"code"} go back.

With `counted.so` preloaded (see `faults.py`), a command can be killed at its n-th call that writes.
"""

from __future__ import annotations

import ctypes
import json
import os
import resource
import signal
import sys
import traceback


def work(asked: dict[str, object]) -> None:
    """In the child: redirect, limit, arm, run; never returns."""
    os.setsid()
    said = os.open(str(asked["said"]), os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(said, 1)
    os.dup2(said, 2)
    if "limit" in asked:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (asked["limit"], asked["limit"]))
    if "kill_at" in asked or "count" in asked:
        ctypes.CDLL(None).arm(str(asked["below"]).encode(), ctypes.c_long(asked.get("kill_at", 0)))
    sys.argv = ["geoseg", *asked["words"]]
    code = 1
    try:
        from geoseg.cli.main import main

        main()
    except SystemExit as stop:
        code = int(stop.code or 0)
    except BaseException:
        traceback.print_exc()
    if "count" in asked:
        sys.stderr.write(f"\ncalls {ctypes.CDLL(None).counted()}\n")
    sys.stdout.flush()
    sys.stderr.flush()
    import concurrent.futures.thread

    from geoseg.sheets.decoder import decoder

    decoder().close()
    concurrent.futures.thread._python_exit()
    os._exit(code)


def main() -> None:
    """Serve until the input ends."""
    import geopandas  # noqa: F401
    import scipy.ndimage  # noqa: F401
    import torch
    import torchvision  # noqa: F401

    import geoseg.cli.run
    import geoseg.night.night
    import geoseg.stages.mosaic.mosaic  # noqa: F401

    torch.set_num_threads(1)
    for line in sys.stdin:
        pid = os.fork()
        if pid == 0:
            work(json.loads(line))
        print(json.dumps({"pid": pid}), flush=True)
        _, status = os.waitpid(pid, 0)
        print(json.dumps({"code": os.waitstatus_to_exitcode(status)}), flush=True)


if __name__ == "__main__":
    main()
