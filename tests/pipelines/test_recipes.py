"""The recipes: each is parsed by what reads it in earnest, and its geoseg commands by click's own parser."""

from __future__ import annotations

import ast
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import sysconfig
import time
from pathlib import Path

import click
import pytest
import yaml
from support import ROOT

from geoseg.cli.main import cli
from geoseg.night.config import load_config

RECIPES = ROOT / "pipelines"


def _commands(text: str) -> list[list[str]]:
    """Arguments of each geoseg call in a text."""
    found = re.findall(
        r"(?:^|[\s/\"'])geoseg((?: (?:--quiet|run|verify|infer|mosaic)\b)[^|>\n\"]*)", text, re.MULTILINE
    )
    return [shlex.split(line.replace("{{", "").replace("}}", "").strip().strip("'")) for line in found]


def _parsed(arguments: list[str]) -> dict[str, object]:
    """Options as click reads them; raises what the user would see."""
    words = [a for a in arguments if a != "--quiet"]
    command = cli.get_command(click.Context(cli), words[0])
    assert command is not None
    with command.make_context(words[0], words[1:]) as context:
        return {"command": words[0], **context.params}


@pytest.fixture(autouse=True)
def _array(monkeypatch) -> None:
    monkeypatch.setenv("SLURM_ARRAY_TASK_ID", "0")
    monkeypatch.setenv("SLURM_ARRAY_TASK_COUNT", "8")


@pytest.mark.parametrize(
    "path",
    [
        "cron/geoseg",
        "systemd/geoseg-nightly.service",
        "slurm/nightly.sbatch",
        "nightly.yaml",
    ],
)
def test_command_lines_are_ones_that_geoseg_knows(path) -> None:
    lines = [x for x in (RECIPES / path).read_text().splitlines() if "geoseg" in x and not x.startswith("# /")]
    found = _commands("\n".join(lines).replace('"$CONFIG"', "/etc/geoseg/nightly.yaml"))
    assert found
    for arguments in found:
        assert _parsed(arguments)["command"] == "run"


def test_a_wrong_option_would_be_found() -> None:
    with pytest.raises(click.UsageError):
        _parsed(["run", "x.yaml", "--shards", "1/4"])


def test_the_config_is_valid() -> None:
    config = load_config(RECIPES / "nightly.yaml")
    assert config.options["publish"]


def test_systemd_accepts_the_units(tmp_path) -> None:
    if not shutil.which("systemd-analyze"):
        pytest.skip("no systemd-analyze here")
    for unit in ("geoseg-nightly.service", "geoseg-nightly.timer"):
        text = (RECIPES / "systemd" / unit).read_text().replace("/opt/geoseg/bin/geoseg", "/bin/true")
        (tmp_path / unit).write_text(text.replace("User=gis", "User=root"))
    units = [str(tmp_path / u) for u in ("geoseg-nightly.service", "geoseg-nightly.timer")]
    done = subprocess.run(["systemd-analyze", "verify", *units], capture_output=True, text=True)
    ours = [x for x in done.stderr.splitlines() if "geoseg" in x]
    assert not ours
    when = re.search("OnCalendar=(.*)", (RECIPES / "systemd/geoseg-nightly.timer").read_text())
    subprocess.run(["systemd-analyze", "calendar", when.group(1)], check=True, capture_output=True)


def test_bash_accepts_the_batch_script() -> None:
    path = RECIPES / "slurm" / "nightly.sbatch"
    subprocess.run(["bash", "-n", str(path)], check=True)
    directives = re.findall(r"^#SBATCH --([a-z-]+)=(\S+)$", path.read_text(), re.MULTILINE)
    assert {"array", "time", "mem", "signal"} <= {name for name, _ in directives}
    assert "TERM" in dict(directives)["signal"]


def test_the_cron_job_of_kubernetes_is_an_indexed_one() -> None:
    job = yaml.safe_load((RECIPES / "kubernetes" / "nightly.yaml").read_text())
    assert (job["apiVersion"], job["kind"]) == ("batch/v1", "CronJob")
    spec = job["spec"]["jobTemplate"]["spec"]
    assert spec["completionMode"] == "Indexed"
    container = spec["template"]["spec"]["containers"][0]
    assert spec["template"]["spec"]["restartPolicy"] == "Never"  # what podFailurePolicy asks for
    arguments = container["args"]
    assert container["command"] == ["geoseg"]
    monkey = {"JOB_COMPLETION_INDEX": "3"}
    os.environ.pop("SLURM_ARRAY_TASK_ID")
    os.environ.update(monkey)
    try:
        assert _parsed(arguments)["shard"] == (3, spec["completions"])
    finally:
        os.environ.pop("JOB_COMPLETION_INDEX")
    claimed = {v["name"] for v in spec["template"]["spec"]["volumes"]}
    assert {m["name"] for m in container["volumeMounts"]} == claimed
    assert spec["podFailurePolicy"]["rules"][0]["onExitCodes"]["containerName"] == container["name"]


def test_the_dag_is_python_that_starts_all_shards() -> None:
    source = (RECIPES / "airflow" / "geoseg_nightly.py").read_text()
    tree = ast.parse(source)
    imported = {n.module for n in ast.walk(tree) if isinstance(n, ast.ImportFrom)}
    assert "airflow.models.dag" in imported
    assert not any(m.startswith("geoseg") for m in imported)  # thin: commands only
    command = "geoseg --quiet run /x.yaml --shard 4/4 --date 2026-11-21 --log-json"
    assert _parsed(shlex.split(command)[1:])["shard"] == (3, 4)
    assert "--shard {i}/{SHARDS}" in source
    assert "range(1, SHARDS + 1)" in source


def test_compose_and_dockerfile() -> None:
    services = yaml.safe_load((RECIPES / "docker" / "compose.yaml").read_text())["services"]
    assert _parsed(["--quiet", *services["night"]["command"]])["scheduler"] == "tls://scheduler:8786"
    assert services["worker"]["entrypoint"][2] == "tls://scheduler:8786"
    lines = (RECIPES / "docker" / "Dockerfile").read_text().splitlines()
    copied = [w for x in lines if x.startswith("COPY") for w in x.split()[1:-1]]
    assert all((ROOT / name).exists() for name in copied)
    assert "USER gis" in lines
    assert re.search(r"^FROM python:\d+\.\d+\.\d+-slim-\w+$", "\n".join(lines), re.MULTILINE)
    for service in services.values():
        assert service["cap_drop"] == ["ALL"]
        assert service["read_only"]
        assert re.fullmatch(r"geoseg:\d+\.\d+\.\d+", service["image"])
        assert service["environment"]["DASK_DISTRIBUTED__COMM__REQUIRE_ENCRYPTION"] == "true"


def test_the_pods_of_kubernetes_may_do_nothing_but_compute() -> None:
    job = yaml.safe_load((RECIPES / "kubernetes" / "nightly.yaml").read_text())
    pod = job["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert pod["automountServiceAccountToken"] is False
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert pod["securityContext"]["runAsNonRoot"]
    assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    assert container["securityContext"]["readOnlyRootFilesystem"]
    assert re.search(r":\d+\.\d+\.\d+$", container["image"])


def test_the_system_service_writes_only_where_the_maps_are() -> None:
    lines = (RECIPES / "systemd" / "geoseg-nightly.service").read_text().splitlines()
    assert {"ProtectSystem=strict", "ReadWritePaths=/srv/maps", "NoNewPrivileges=yes"} <= set(lines)


def test_the_certificate_of_compose_serves_a_scheduler_and_refuses_others(tmp_path) -> None:
    """The same files for scheduler, worker and client, as compose.yaml hands them out."""
    command = [sys.executable, str(RECIPES / "docker" / "certificates.py"), str(tmp_path)]
    subprocess.run(command, check=True)
    before = (tmp_path / "geoseg.key").read_text()
    subprocess.run(command, check=True)
    assert (tmp_path / "geoseg.key").read_text() == before
    assert (tmp_path / "geoseg.key").stat().st_mode & 0o077 == 0
    settings = yaml.safe_load((RECIPES / "docker" / "compose.yaml").read_text())["x-geoseg"]["environment"]
    environment = {**os.environ, **{k: str(v).replace("/tls", str(tmp_path)) for k, v in settings.items()}}
    done = subprocess.run([sys.executable, "-c", TALK], env=environment, capture_output=True, text=True, timeout=120)
    assert done.stdout.split() == ["7", "refused"], done.stderr


TALK = """
import asyncio
from distributed import Client, Scheduler, Security, Worker

async def main():
    async with Scheduler(protocol="tls", host="127.0.0.1", port=0, dashboard_address=":0") as scheduler:
        async with Worker(scheduler.address, nthreads=1):
            async with Client(scheduler.address, asynchronous=True) as client:
                print(await client.submit(int, "7"))
            try:
                await Client(scheduler.address, asynchronous=True, timeout=3, security=Security.temporary())
            except (OSError, TimeoutError):
                print("refused")

asyncio.run(main())
"""

PROVIDED = {"libexpat.so.1": "libexpat1"}
"""Libraries that wheels expect from the system, and Debian's packages of them."""
BASE = ("libc.", "libm.", "libdl.", "librt.", "libpthread.", "libutil.", "libstdc++.", "libgcc_s.", "ld-linux", "libz.")
"""Libraries of every Debian with Python."""


def test_the_image_installs_each_library_that_the_wheels_expect_from_the_system() -> None:
    if not shutil.which("readelf"):
        pytest.skip("no readelf here")
    site = Path(sysconfig.get_path("purelib"))
    objects = [p for name in ("rasterio", "pyogrio", "shapely", "pyproj") for p in site.glob(f"{name}*/**/*.so*")]
    own = {p.name for p in objects}
    done = subprocess.run(["readelf", "-d", *map(str, objects)], capture_output=True, text=True)
    needed = set(re.findall(r"\(NEEDED\).*\[(.*)\]", done.stdout)) - own
    expected = {n for n in needed if not n.startswith(BASE)}
    dockerfile = (RECIPES / "docker" / "Dockerfile").read_text()
    assert "libexpat.so.1" in needed
    for name in expected:
        assert f" {PROVIDED[name]} " in dockerfile, name


@pytest.mark.slow
def test_the_image_starts(tmp_path) -> None:
    if not shutil.which("docker") or subprocess.run(["docker", "info"], capture_output=True).returncode:
        pytest.skip("needs a Docker daemon")
    build = ["docker", "build", "-f", str(RECIPES / "docker" / "Dockerfile"), "-t", "geoseg:test", str(ROOT)]
    subprocess.run(build, check=True)
    done = subprocess.run(["docker", "run", "--rm", "geoseg:test", "--version"], capture_output=True, text=True)
    assert done.stdout.startswith("geoseg ")


@pytest.mark.parametrize("name", ["nightly.py", "cluster.py", "potsdam.py"])
def test_recipes_explain_themselves(name) -> None:
    done = subprocess.run([sys.executable, str(RECIPES / name), "--help"], capture_output=True, text=True, check=True)
    assert "usage" in done.stdout


def test_the_written_out_night_publishes_and_a_bad_one_says_why(tmp_path, truth_network) -> None:
    sheets = tmp_path / "sheets"
    sheets.mkdir()
    for path in sorted((ROOT / "sample_data" / "sheets").glob("*.tif"))[:1]:
        shutil.copy(path, sheets)
    command = [
        sys.executable,
        str(RECIPES / "nightly.py"),
        str(sheets),
        str(tmp_path / "run"),
        "--model",
        str(truth_network),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "published" in done.stdout
    assert (tmp_path / "run/out/latest/report.html").exists()
    bad = subprocess.run([*command[:2], str(tmp_path / "nothing"), str(tmp_path / "x")], capture_output=True, text=True)
    assert bad.returncode == 2
    assert "nothing" in bad.stderr


@pytest.mark.slow
def test_an_array_of_shards_ends_with_the_outputs(tmp_path, truth_network) -> None:
    """The batch script as Slurm would start it, a task after the other."""
    (tmp_path / "nightly.yaml").write_text(
        f"sheets: [{ROOT / 'sample_data/sheets'}]\nout: run\ntile: {{block_size: 512}}\n"
        f"infer: {{model: {truth_network}}}\nmosaic: {{vectors: false}}\n"
    )
    for index in (2, 0, 1):
        environment = {
            **os.environ, "SLURM_ARRAY_TASK_ID": str(index), "SLURM_ARRAY_TASK_COUNT": "3", "SLURM_ARRAY_TASK_MIN": "0",
            "GEOSEG_CONFIG": str(tmp_path / "nightly.yaml"),
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        }  # fmt: skip
        subprocess.run(
            ["bash", str(RECIPES / "slurm/nightly.sbatch")], env=environment, check=True, capture_output=True
        )
        assert (tmp_path / "run/run.json").exists() == (index == 1)
    assert (tmp_path / "run/out/latest").is_symlink()


@pytest.mark.slow
def test_a_real_cron_runs_the_night(tmp_path, truth_network) -> None:
    if os.geteuid() or not Path("/usr/sbin/cron").exists() or not Path("/etc/cron.d").is_dir():
        pytest.skip("needs root and cron")
    config = tmp_path / "nightly.yaml"
    config.write_text(
        f"sheets: [{ROOT / 'sample_data/sheets'}]\nout: run\n"
        f"infer: {{model: {truth_network}}}\nmosaic: {{vectors: false}}\n"
    )
    text = (RECIPES / "cron" / "geoseg").read_text()
    text = text.replace("/opt/geoseg/bin", str(Path(sys.executable).parent)).replace(
        "/etc/geoseg/nightly.yaml", str(config)
    )
    text = (
        text.replace(" gis geoseg", " root geoseg").replace("30 1 * * *", "* * * * *").replace("gis@example.org", '""')
    )
    table = Path("/etc/cron.d/geoseg-test")
    table.write_text(text)
    table.chmod(0o644)
    daemon = subprocess.Popen(["/usr/sbin/cron", "-f"])
    try:
        limit = time.monotonic() + 180
        while not (tmp_path / "run/out/latest").exists() and time.monotonic() < limit:
            time.sleep(1)
        assert (tmp_path / "run/out/latest/night.json").exists()
        assert json.loads((tmp_path / "run/run.json").read_text())["sheets"] == 4
    finally:
        table.unlink()
        daemon.terminate()
        daemon.wait()
