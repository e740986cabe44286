"""Workers: poisonous panels, GPUs, schedulers that go."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
import time

import dask
import pytest
from support import ROOT, block_hashes

from geoseg.errors import EnvironmentFault, PlanError
from geoseg.stages.infer.infer import infer
from geoseg.work.executor import executor
from geoseg.work.task import do


def test_a_poisonous_panel_fails_alone(job, alone, planned, monkeypatch) -> None:
    def dies_on_one_block(task):  # in here, so that it travels as it is: workers cannot import this file
        if (0, 0) in task.item:
            os.kill(os.getpid(), signal.SIGKILL)
        return do(task)

    import distributed  # noqa: F401  leaving `set` takes away what was loaded inside it: all defaults of distributed

    monkeypatch.setattr("geoseg.work.dask.do", dies_on_one_block)
    few = dask.config.set({"distributed.scheduler.allowed-failures": 1})  # each costs the start of a worker
    with few, executor(workers=2) as two, pytest.raises(PlanError, match="1 of .* panels failed"):
        infer(planned, job[1], executor=two)
    done = block_hashes(planned)
    assert 0 < len(done) < len(alone)
    assert all(alone[name] == value for name, value in done.items())
    monkeypatch.undo()
    infer(planned, job[1])
    assert block_hashes(planned) == alone


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
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
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
    assert block_hashes(planned) == alone


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
    """The cable of a worker's host is pulled, without a word: the others do its panels, the bytes are the same."""
    scheduler, *workers = hosts
    address = f"tcp://{hosts[scheduler]}:8786"
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
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
    assert block_hashes(planned) == alone


def test_the_local_cluster_talks_only_to_who_holds_its_certificate() -> None:
    """Whoever can submit a task runs code as this user; other users of the machine can reach the port too."""
    from distributed import Client, Security

    with executor(workers=1) as one:
        address = one.client.scheduler.address
        assert address.startswith("tls://127.0.0.1:")
        plain = address.replace("tls://", "tcp://")
        for where, security in ((plain, None), (address, Security.temporary())):
            with pytest.raises((OSError, TimeoutError)):
                Client(where, security=security, timeout=3)
        assert one.client.submit(int, "7").result(timeout=30) == 7


def test_the_local_cluster_shows_no_pages() -> None:
    import urllib.error
    import urllib.request

    import psutil

    with executor(workers=1) as one:
        assert one.client.submit(int, "7").result(timeout=30) == 7
        own = psutil.Process()
        pids = {own.pid, *(c.pid for c in own.children(recursive=True))}
        ports = {c.laddr.port for c in psutil.net_connections("tcp") if c.status == "LISTEN" and c.pid in pids}
        assert len(ports) >= 3  # scheduler, nanny, worker
        for port in ports:
            for page in ("", "status", "info/main/workers.html", "json/counts.json", "metrics", "individual-graph"):
                with pytest.raises((urllib.error.HTTPError, OSError)):
                    urllib.request.urlopen(f"http://127.0.0.1:{port}/{page}", timeout=5)


def test_more_workers_than_the_machine_carries_are_refused_before_any_is_started() -> None:
    from geoseg.errors import UsageError

    with pytest.raises(UsageError, match="expected at most 4 for each core"), executor(workers=10_000):
        pass
