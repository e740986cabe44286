"""The public face: examples, names, options, imports, scripts."""

from __future__ import annotations

import doctest
import importlib
import inspect
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import rasterio
import yaml
from support import CONFIGS, SAMPLE

import geoseg as face
from geoseg.errors import UsageError

FIRST = ("run", "tile", "infer", "mosaic")
"""Examples that leave what others look at."""


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory) -> Path:
    """A folder with one sample sheet, its labels and a small config; the first examples leave `run` and `planned`."""
    folder = tmp_path_factory.mktemp("api")
    for name in ("sheets", "labels"):
        (folder / name).mkdir()
        path = min((SAMPLE / name).glob("*.tif"))
        (folder / name / path.name).symlink_to(path)
    small = yaml.safe_load((CONFIGS / "sample_cpu.yaml").read_text())
    for section in small["data"]:
        section |= {"count": 1, "metres": 16}
    small |= {"crop": 64, "batch": 2, "workers": 0, "stages": [{"steps": 2}]}
    (folder / "small.yaml").write_text(yaml.safe_dump(small))
    return folder


def _examples() -> list[doctest.DocTest]:
    """Every example of the public face, those that others need first."""
    names = [*FIRST, *(n for n in face.__all__ if n not in FIRST and n != "__version__")]
    finder, found = doctest.DocTestFinder(), []
    for name in names:
        thing = getattr(face, name)
        if inspect.isfunction(thing) or inspect.isclass(thing):
            found += [t for t in finder.find(thing, name, module=False) if t.examples]
    return found


EXAMPLES = _examples()


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("example", EXAMPLES, ids=lambda t: t.name)
def test_an_example_gives_what_it_says(sandbox, monkeypatch, blur_network, example) -> None:
    """With a small network in the place of the shipped one: what is tried is what the examples say, not how it maps."""
    monkeypatch.chdir(sandbox)
    for module in ("models.files", "stages.infer.infer", "night.night", "night.forecast"):
        monkeypatch.setattr(importlib.import_module(f"geoseg.{module}"), "shipped_model", lambda: blur_network)
    example.globs = {"geoseg": face, "np": np, "rasterio": rasterio, "Path": Path, "Run": face.Run}
    said: list[str] = []
    failed, tried = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS).run(example, out=said.append)
    assert tried
    assert not failed, "".join(said)


def test_every_public_function_has_an_example_and_every_name_a_docstring() -> None:
    with_example = {t.name.split(".")[0] for t in EXAMPLES}
    for name in face.__all__:
        thing = getattr(face, name)
        if inspect.isfunction(thing) or inspect.isclass(thing):
            assert thing.__doc__, name
            assert len(thing.__doc__.split()) > 4, name
        if inspect.isfunction(thing):
            assert name in with_example, name
    assert isinstance(face.__version__, str)


def test_the_names_of_the_face_are_all_there_and_no_others() -> None:
    assert sorted(face.__all__) == dir(face)
    assert len(set(face.__all__)) == len(face.__all__)
    with pytest.raises(AttributeError, match="has no attribute 'runn'"):
        face.runn
    assert (Path(face.__file__).parent / "py.typed").exists()


@pytest.mark.parametrize(
    ("call", "near"),
    [
        (lambda: face.run("sheets", "run", modell="x.pt"), "model"),
        (lambda: face.tile("sheets", "run", pach_size=3), "patch_size"),
        (lambda: face.infer("run", tta_="flip"), "tta"),
        (lambda: face.mosaic("run", layer="cars"), "layers"),
        (lambda: face.evaluate("run", "labels", bounday="all"), "boundary"),
    ],
)
def test_an_unknown_option_names_the_nearest_before_anything_is_done(tmp_path, monkeypatch, call, near) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match="is no option") as caught:
        call()
    assert near in caught.value.cure
    assert not list(tmp_path.iterdir())


def test_a_run_needs_a_folder(tmp_path) -> None:
    with pytest.raises(UsageError, match="no run folder named"):
        face.run(tmp_path)


def _python(code: str, **more: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, **more)  # type: ignore[call-overload]


def test_importing_geoseg_is_quick_and_brings_nothing_heavy() -> None:
    code = (
        "import sys, time; t = time.perf_counter(); import geoseg; t = time.perf_counter() - t;"
        "print(t, [n for n in ('torch', 'rasterio', 'numpy', 'shapely', 'dask', 'click') if n in sys.modules])"
    )
    seconds, heavy = min(_python(code).stdout.strip().split(" ", 1) for _ in range(3))
    assert heavy == "[]"
    assert float(seconds) < 0.1


def test_a_script_without_a_guard_works_also_with_workers(tmp_path, truth_network) -> None:
    """Workers are no copies of the script: what stands in it is done once."""
    sheet = min((SAMPLE / "sheets").glob("*.tif"))
    script = tmp_path / "script.py"
    script.write_text(
        "import geoseg\n"
        f"open({str(tmp_path / 'once')!r}, 'a').write('x')\n"
        f"run = geoseg.run({str(sheet)!r}, {str(tmp_path / 'run')!r}, model={str(truth_network)!r}, engine='torch', "
        "block_size=256, workers=2, progress=False, vectors=False)\n"
        "print(run.state().complete)\n"
    )
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, check=True, timeout=300)
    assert done.stdout.strip() == "True"
    assert (tmp_path / "once").read_text() == "x"


def test_training_in_a_script_needs_no_guard_either(sandbox) -> None:
    """Neither the processes that draw scenes nor those that load samples run the script."""
    config = yaml.safe_load((sandbox / "small.yaml").read_text()) | {"workers": 1}
    (sandbox / "workers.yaml").write_text(yaml.safe_dump(config))
    script = sandbox / "training.py"
    script.write_text("print('once')\nimport geoseg\nprint(geoseg.train('workers.yaml', 'trained').name)\n")
    done = subprocess.run([sys.executable, script], cwd=sandbox, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["once", "model.safetensors"]


def test_geoseg_can_be_called_as_a_module() -> None:
    done = subprocess.run([sys.executable, "-m", "geoseg", "--version"], capture_output=True, text=True, check=True)
    assert face.__version__ in done.stdout
