"""Processes that import nothing of the user's script; kernels."""

from __future__ import annotations

import multiprocessing
import subprocess
import sys

import numpy as np

from geoseg.kernel import inline_kernel, kernel
from geoseg.spawn import without_main


def test_the_main_module_is_back_whatever_happened() -> None:
    main = sys.modules["__main__"]
    try:
        with without_main():
            assert sys.modules["__main__"] is not main
            assert not hasattr(sys.modules["__main__"], "__file__")
            raise ZeroDivisionError
    except ZeroDivisionError:
        pass
    assert sys.modules["__main__"] is main


def test_a_spawned_process_does_not_run_the_script_again(tmp_path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        "import multiprocessing, operator\n"
        "from geoseg.spawn import without_main\n"
        f"open({str(tmp_path / 'once')!r}, 'a').write('x')\n"
        "with without_main(), multiprocessing.get_context('spawn').Pool(1) as pool:\n"
        "    print(pool.apply(operator.add, (1, 2)))\n"
    )
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "3"
    assert (tmp_path / "once").read_text() == "x"
    assert "spawn" in multiprocessing.get_all_start_methods()


def test_a_kernel_is_the_function_compiled() -> None:
    def total(values):
        found = 0.0
        for value in values:
            found += value
        return found

    for make in (kernel, inline_kernel):
        made = make(total)
        assert made.py_func is total
        assert made(np.arange(5.0)) == 10.0
