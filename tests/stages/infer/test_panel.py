"""One panel on one worker."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc only")
def test_a_worker_keeps_the_memory_that_a_network_frees() -> None:
    """Dask starts workers with MALLOC_TRIM_THRESHOLD_: each freed array is mapped and zeroed anew, page by page."""
    code = """
import resource, numpy as np
from geoseg.stages.infer.panel import _keep_freed_memory
def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(100):
        np.full(1 << 18, 1.0, np.float32)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
given = faults()
_keep_freed_memory()
faults()
print(given, faults())
"""
    environment = {**os.environ, "MALLOC_TRIM_THRESHOLD_": "65536"}
    said = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    given, kept = map(int, said.stdout.split())
    if given < 10_000:
        pytest.skip("this C library does not heed MALLOC_TRIM_THRESHOLD_")
    assert kept < given / 10
