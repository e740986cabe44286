"""The same bytes however the work is shared out: workers, shards, a remote scheduler; a worker killed, a scheduler killed."""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import PLACE, moved, save_network, write_sheet

from geoseg.errors import Busy, EnvironmentFault, PlanError
from geoseg.geometry.blocks import panels_of, shard_of
from geoseg.options import InferOptions, TileOptions
from geoseg.runfolder.folder import Run
from geoseg.stages.infer.infer import infer
from geoseg.stages.mosaic.inputs import load_inputs, mosaic_key
from geoseg.stages.mosaic.mosaic import MosaicOptions, mosaic
from geoseg.stages.mosaic.work import at_work, load_context, make_sheet
from geoseg.stages.tile.tile import tile
from geoseg.work.dask import executor
from geoseg.work.local import LOCAL
from geoseg.work.task import Task, do


def _hashes(run: Path) -> dict[str, str]:
    return {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in sorted((run / "blocks").glob("*.tif"))}


class SlowBlur(torch.nn.Module):
    """Heavy enough that a worker can be killed in the middle."""

    def __init__(self, turns: int = 60) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(5)
        self.first = torch.nn.Conv2d(3, 6, 3, padding=1)
        self.again = torch.nn.Conv2d(6, 6, 3, padding=1)
        self.turns = turns
        for p in self.parameters():
            p.data = torch.randn(p.shape, generator=generator) * 0.1

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.first(x)
        for _ in range(self.turns):
            x = torch.tanh(self.again(x))
        return x


@pytest.fixture(scope="module")
def job(tmp_path_factory):
    """(planned run, options): twelve sheets side by side, 16 blocks and more."""
    folder = tmp_path_factory.mktemp("scale")
    model = save_network(folder / "blur.pt", SlowBlur(), patch=64, overlap=16, margin=0)
    rng = np.random.default_rng(3)
    for k in range(12):
        row, col = divmod(k, 4)
        pixels = rng.integers(0, 255, (3, 128, 128), np.uint8)
        write_sheet(
            folder / f"sheets/s{k:02}.tif", pixels, place=moved(PLACE, 128 * col, 128 * row), compress="deflate"
        )
    run = folder / "run"
    tile([folder / "sheets"], run, TileOptions(block_size=96))
    return run, InferOptions(model=(model,), engine="torch", precision="f32", threads=1)


@pytest.fixture(scope="module")
def alone(job, tmp_path_factory):
    """Hashes of the blocks when one process does them all."""
    run = tmp_path_factory.mktemp("alone") / "run"
    shutil.copytree(job[0], run)
    infer(run, job[1])
    return _hashes(run)


@pytest.fixture
def planned(job, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(job[0], run)
    return run


def test_a_share_for_everyone() -> None:
    blocks = [(r, c) for r in range(5) for c in range(7)]
    for count in (1, 2, 3, 40):
        shares = [shard_of(blocks, i, count) for i in range(count)]
        assert sorted(b for s in shares for b in s) == blocks
        assert max(map(len, shares)) - min(map(len, shares)) <= 1
    for wished in (1, 2, 6, 100):
        panels = panels_of(blocks, 64, 7, wished)
        assert len(panels) >= min(wished, len(blocks))
        assert sorted(b for p in panels for b in p.blocks) == blocks


def test_workers_write_the_same_bytes(job, alone, planned) -> None:
    with executor(workers=2) as two:
        report = infer(planned, job[1], executor=two)
    assert report.computed == report.blocks
    assert _hashes(planned) == alone


def test_workers_make_the_same_outputs(job, alone, tmp_path) -> None:
    """Sheets' rasters and districts' layers on two workers: file by file the same bytes."""
    runs = [tmp_path / "alone" / "run", tmp_path / "two" / "run"]
    for run in runs:
        shutil.copytree(job[0], run)
        infer(run, job[1])
    mosaic(runs[0])
    with executor(workers=2) as two:
        mosaic(runs[1], executor=two)
    outputs = [
        {
            str(p.relative_to(run)): p.read_bytes()
            for p in (run / "out").rglob("*")
            if p.is_file() and p.suffix in (".tif", ".gpkg", ".xml", ".qml")
        }
        for run in runs
    ]
    assert outputs[0].keys() == outputs[1].keys()
    assert [name for name in outputs[0] if outputs[0][name] != outputs[1][name]] == []


def test_a_part_of_an_earlier_mosaic_writes_nothing(job, alone, planned) -> None:
    """A worker that was forgotten wakes up after another mosaic has begun."""
    infer(planned, job[1])
    options = MosaicOptions(vectors=False)
    inputs = load_inputs(Run(planned), options)
    late: list[Task] = []
    with at_work(inputs, mosaic_key(inputs, options), options, LOCAL) as work:
        late.append(Task(work.fence, load_context, make_sheet, options, 0, "late"))
    with at_work(inputs, mosaic_key(inputs, options), options, LOCAL):
        assert "another mosaic has begun" in str(do(late[0]))
    assert not (planned / "out" / "sheets").exists()


def test_shards_write_the_same_bytes_and_mosaic_waits_for_them(job, alone, planned) -> None:
    infer(planned, job[1], shard=(1, 3))
    with pytest.raises(Busy, match="blocks are missing"):
        mosaic(planned, MosaicOptions(vectors=False))
    infer(planned, job[1], shard=(0, 3))
    infer(planned, job[1], shard=(2, 3))
    assert _hashes(planned) == alone
    assert infer(planned, job[1]).computed == 0
    mosaic(planned, MosaicOptions(vectors=False))


def test_shards_at_the_same_time_and_each_only_once(job, alone, planned) -> None:
    errors: list[BaseException] = []

    def work(shard: tuple[int, int]) -> None:
        try:
            infer(planned, job[1], shard=shard)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=((i, 2),)) for i in (0, 1, 1)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert [type(e) for e in errors] == [Busy]
    assert _hashes(planned) == alone


def test_damage_that_one_shard_meets_is_known_to_all(job, planned, tmp_path) -> None:
    bad = Path(Run(planned).plan.sheets[0].path)
    whole = bad.read_bytes()
    stat = bad.stat()
    try:
        data = bytearray(whole)
        data[len(data) // 2 :] = b"\xff" * (len(data) - len(data) // 2)
        bad.write_bytes(data)
        os.utime(bad, ns=(stat.st_atime_ns, stat.st_mtime_ns))
        for shard in ((1, 2), (0, 2), (1, 2)):
            infer(planned, job[1], shard=shard)
        assert [q.path for q in Run(planned).plan.quarantined] == [str(bad)]
        sheets = [Path(s.path) for s in Run(planned).plan.sheets]
        grid = tmp_path / "without"
        shutil.copytree(planned, grid, ignore=shutil.ignore_patterns("blocks"))
        infer(grid, job[1])
        assert len(sheets) == 11
        assert _hashes(grid) == _hashes(planned)
    finally:
        bad.write_bytes(whole)
        os.utime(bad, ns=(stat.st_atime_ns, stat.st_mtime_ns))


def test_a_killed_worker_costs_no_pixel(job, alone, planned) -> None:
    with executor(workers=2) as two:
        victims = [w["pid"] for w in _workers(two.client)]

        def kill() -> None:
            while not list((planned / "blocks").glob("*.json")):
                time.sleep(0.02)
            os.kill(victims[0], signal.SIGKILL)

        killer = threading.Thread(target=kill)
        killer.start()
        infer(planned, job[1], executor=two)
        killer.join()
    assert _hashes(planned) == alone


def _workers(client) -> list[dict[str, int]]:
    return [{"pid": pid} for pid in client.run(os.getpid).values()]


def _dies_on_one_block(task):
    """A panel that takes its worker with it."""
    if (0, 0) in task.item:
        os.kill(os.getpid(), signal.SIGKILL)
    return do(task)


def test_a_poisonous_panel_fails_alone(job, alone, planned, monkeypatch) -> None:
    monkeypatch.setattr("geoseg.work.dask.do", _dies_on_one_block)
    with executor(workers=2) as two, pytest.raises(PlanError, match="1 of .* panels failed"):
        infer(planned, job[1], executor=two)
    done = _hashes(planned)
    assert 0 < len(done) < len(alone)
    assert all(alone[name] == value for name, value in done.items())
    monkeypatch.undo()
    infer(planned, job[1])
    assert _hashes(planned) == alone


def test_each_worker_sees_one_gpu_and_its_share_of_memory(monkeypatch) -> None:
    """By the environment alone, as there may be no GPU here; a worker that was killed gets the same one again."""
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3,GPU-5")

    def seen(client) -> list[str]:
        return sorted(client.run(lambda: os.environ.get("CUDA_VISIBLE_DEVICES", "")).values())

    with executor(workers=2, max_ram=3 << 30) as two:
        assert seen(two.client) == ["3", "GPU-5"]
        limits = [w["memory_limit"] for w in two.client.scheduler_info(n_workers=-1)["workers"].values()]
        assert limits == [3 << 29] * 2
        assert two.max_ram == int(0.8 * (3 << 29))
        before = set(two.client.run(os.getpid).values())
        os.kill(min(before), signal.SIGKILL)
        until, now = time.monotonic() + 60, before
        while len(now - before) != 1 or len(now) != 2:
            assert time.monotonic() < until, now
            time.sleep(0.2)
            now = set(two.client.run(os.getpid, on_error="ignore").values())
        assert seen(two.client) == ["3", "GPU-5"]


def test_a_scheduler_that_is_not_there(monkeypatch) -> None:
    monkeypatch.setattr("geoseg.work.dask.SILENCE", 3.0)
    with pytest.raises(EnvironmentFault, match="cannot be reached"), executor(scheduler="tcp://127.0.0.1:9"):
        pass


@pytest.mark.slow
def test_a_killed_scheduler_ends_it_and_the_rerun_resumes(job, alone, planned) -> None:
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent)}
    scheduler = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "distributed.cli.dask_scheduler",
            "--host",
            "127.0.0.1",
            "--port",
            "8799",
            "--no-dashboard",
        ],
        stderr=subprocess.DEVNULL,
    )
    time.sleep(3)
    worker = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "distributed.cli.dask_worker",
            "tcp://127.0.0.1:8799",
            "--nthreads",
            "1",
            "--no-nanny",
            "--death-timeout",
            "10",
        ],
        env=environment,
        stderr=subprocess.DEVNULL,
    )
    try:
        with executor(scheduler="tcp://127.0.0.1:8799") as remote:

            def kill() -> None:
                while not list((planned / "blocks").glob("*.json")):
                    time.sleep(0.02)
                scheduler.kill()

            killer = threading.Thread(target=kill)
            killer.start()
            begin = time.monotonic()
            with pytest.raises(EnvironmentFault, match="lost"):
                infer(planned, job[1], executor=remote)
            assert time.monotonic() - begin < 60
            killer.join()
        worker.wait(30)
    finally:
        for process in (scheduler, worker):
            process.kill()
    assert infer(planned, job[1]).computed < len(alone)
    assert _hashes(planned) == alone


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True)


@pytest.fixture
def hosts():
    """Three network namespaces on one bridge, as three hosts: name -> address; the client is on the bridge itself."""
    names = {f"geoseg{k}": f"10.231.7.{k}" for k in (2, 3, 4)}
    try:
        _ip("link", "add", "geoseg0", "type", "bridge")
        _ip("addr", "add", "10.231.7.1/24", "dev", "geoseg0")
        _ip("link", "set", "geoseg0", "up")
        for name, address in names.items():
            _ip("netns", "add", name)
            _ip("link", "add", f"{name}b", "type", "veth", "peer", "name", "eth0", "netns", name)
            _ip("link", "set", f"{name}b", "master", "geoseg0", "up")
            _ip("-n", name, "addr", "add", f"{address}/24", "dev", "eth0")
            _ip("-n", name, "link", "set", "eth0", "up")
            _ip("-n", name, "link", "set", "lo", "up")
        yield names
    finally:
        for name in names:
            subprocess.run(["ip", "netns", "del", name], check=False, stderr=subprocess.DEVNULL)
        subprocess.run(["ip", "link", "del", "geoseg0"], check=False, stderr=subprocess.DEVNULL)


@pytest.mark.slow
@pytest.mark.skipif(os.geteuid() != 0 or shutil.which("ip") is None, reason="needs root and iproute2")
def test_a_link_that_is_cut_costs_a_minute_at_most(job, alone, planned, hosts) -> None:
    """The cable of a worker's host is pulled, without a word to anybody: the others do its panels, the bytes are the same."""
    scheduler, *workers = hosts
    address = f"tcp://{hosts[scheduler]}:8786"
    environment = {
        **os.environ,
        "PYTHONPATH": str(Path(__file__).parent.parent),
        "DASK_DISTRIBUTED__COMM__TIMEOUTS__TCP": "30s",
    }

    def started(host: str, *words: str) -> subprocess.Popen[bytes]:
        line = ["ip", "netns", "exec", host, sys.executable, "-m", *words]
        return subprocess.Popen(line, env=environment, stderr=subprocess.DEVNULL)

    processes = [
        started(
            scheduler, "distributed.cli.dask_scheduler", "--host", hosts[scheduler], "--port", "8786", "--no-dashboard"
        )
    ]
    time.sleep(3)
    processes += [
        started(w, "distributed.cli.dask_worker", address, "--nthreads", "1", "--host", hosts[w], "--no-dashboard")
        for w in workers
    ]
    try:
        with executor(scheduler=address) as remote:
            remote.client.wait_for_workers(2, timeout=30)

            def pull() -> None:
                while not list((planned / "blocks").glob("*.json")):
                    time.sleep(0.02)
                _ip("link", "set", f"{workers[0]}b", "down")

            cable = threading.Thread(target=pull)
            cable.start()
            begin = time.monotonic()
            infer(planned, job[1], executor=remote)
            assert time.monotonic() - begin < 90
            cable.join()
    finally:
        for process in processes:
            process.kill()
            process.wait()
    assert _hashes(planned) == alone


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc only")
def test_a_worker_keeps_the_memory_that_a_network_frees() -> None:
    """Dask starts workers with MALLOC_TRIM_THRESHOLD_: each freed array is mapped and zeroed anew by the kernel, page by page."""
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
