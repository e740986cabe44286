"""geoseg as a service account: no rights, no home, a read-only installation, little shared memory, a memory limit."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest
from support import ROOT

pytestmark = pytest.mark.slow

NOBODY = 65534
SCRIPT = """
mount --make-rprivate /
if [ -n "{hidden}" ]; then    # Python may lie in a home that only its owner can enter
  kept=$(mktemp -d); mount --bind {python} $kept
  mount -t tmpfs -o mode=755 tmpfs {hidden}; mkdir -p {python}; mount --bind $kept {python}
fi
mount -t tmpfs -o size=64m,mode=1777 tmpfs /dev/shm
mount --bind {work} {work}
mount -o remount,bind,ro /
ulimit -v {limit}
exec setpriv --reuid={user} --regid={user} --clear-groups --no-new-privs \\
  env -i HOME=/nonexistent TMPDIR={work}/tmp PATH=/usr/bin:/bin {words}
"""


def _as_nobody(work: Path, gigabytes: int, *words: str) -> subprocess.CompletedProcess[str]:
    """A command of geoseg in a mount namespace where only `work` can be written."""
    (work / "tmp").mkdir(parents=True, exist_ok=True)
    for folder in (work, work / "tmp"):
        os.chown(folder, NOBODY, NOBODY)
    python = Path(sysconfig.get_config_var("prefix") or sys.base_prefix)
    hidden = next((p for p in reversed(python.parents) if p != Path("/") and not p.stat().st_mode & 0o005), "")
    command = f"{sys.executable} -m geoseg --quiet " + " ".join(words)
    script = SCRIPT.format(hidden=hidden, python=python, work=work, limit=gigabytes << 20, user=NOBODY, words=command)
    return subprocess.run(["unshare", "--mount", "sh", "-ec", script], capture_output=True, text=True, cwd="/")


@pytest.fixture
def work():
    """A folder that everybody can reach."""
    import tempfile

    folder = Path(tempfile.mkdtemp(prefix="geoseg-service-", dir="/var/tmp"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(autouse=True)
def _possible() -> None:
    if os.geteuid() != 0 or not shutil.which("unshare") or not shutil.which("setpriv"):
        pytest.skip("needs root, unshare and setpriv")


def _hashes(run: Path) -> dict[str, str]:
    files = [p for p in sorted((run / "blocks").glob("*.tif"))] + [run / "out" / "run_classes.tif"]
    return {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in files}


def test_a_service_account_without_a_home_gets_the_same_bytes(work, tmp_path) -> None:
    sheets = ROOT / "sample_data" / "sheets"
    done = _as_nobody(work, 6, "run", str(sheets), "-o", str(work / "run"))
    assert done.returncode == 0, done.stderr
    usual = [sys.executable, "-m", "geoseg", "--quiet", "run", str(sheets), "-o", str(tmp_path / "run")]
    subprocess.run(usual, check=True, capture_output=True)
    assert _hashes(work / "run") == _hashes(tmp_path / "run")


def test_too_little_address_space_is_told_with_what_is_needed(work) -> None:
    done = _as_nobody(work, 2, "run", str(ROOT / "sample_data" / "sheets"), "-o", str(work / "run"))
    assert done.returncode == 4, done.stderr
    assert "ulimit -v: allows 2.0 GiB of address space; geoseg with this PyTorch needs about" in done.stderr
    assert "Traceback" not in done.stderr
