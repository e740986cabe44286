"""The process that tries a foreign graph; `geoseg.models.foreign.trial` starts it.

request (JSON) -> stdin    stdout -> {} where it went well, or {"error": [subject, what, cure]}
"""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path

import torch

from geoseg.arrays import Json
from geoseg.errors import ModelError
from geoseg.limits import bytes_held, end_with_parent, forbid_writes, is_short_of_memory, limit_memory
from geoseg.models.load import load_graph

__all__ = ["main"]


def main() -> None:
    """Answer one request."""
    trial: Json = json.load(sys.stdin)
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # so that nothing a graph prints is taken for an answer
    end_with_parent()
    torch.set_num_threads(1)
    torch._C._jit_get_all_schemas()  # loads what torch loads late, before the limits
    forbid_writes()
    limit_memory(bytes_held() + trial["limits"]["ram"])
    signal.signal(signal.SIGALRM, signal.SIG_DFL)  # ends the process also inside torch
    signal.setitimer(signal.ITIMER_REAL, trial["limits"]["seconds"])
    answers.write(json.dumps(_outcome(trial)))
    answers.flush()
    os._exit(0)  # threads that a graph started do not matter


def _outcome(trial: Json) -> Json:
    path = Path(trial["path"])
    try:
        network = load_graph(path, trial["kind"], trial["sha256"])
        shape = 1, trial["bands"], trial["patch"], trial["patch"]
        with torch.inference_mode():
            for patch in (torch.zeros(shape), torch.rand(shape, generator=torch.Generator().manual_seed(1))):
                network(patch)
    except ModelError as error:
        if not is_short_of_memory(error.what):
            return {"error": [error.subject, error.what, error.cure]}
    except Exception as error:  # a graph raises what it likes; one that does not fit its card is told where it is used
        if "ermission denied" in str(error) or "not permitted" in str(error):
            what = f"wants to write or to connect: {str(error).strip().splitlines()[-1][:200]}"
            return {"error": [str(path), what, "do not use it"]}
        if not is_short_of_memory(error):
            return {}
    else:
        return {}
    given = trial["limits"]["ram"] / 2**30
    what = f"needs more than {given:.3g} GiB of memory for a patch of {trial['patch']} px"
    return {"error": [str(path), what, "if that is right, raise --max-ram"]}


if __name__ == "__main__":
    main()
