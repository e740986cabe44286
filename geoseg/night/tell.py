"""How others hear that a night has ended, well or not: metrics for Prometheus, commands, a webhook, JSON log lines."""

from __future__ import annotations

import http.client
import json
import logging
import os
import subprocess
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from geoseg.arrays import Json
from geoseg.commit import commit_bytes
from geoseg.errors import GeosegError, exit_code_of
from geoseg.options import NightOptions

__all__ = ["Facts", "JsonLines", "log_as_json", "metrics_text", "tell", "telling", "write_metrics"]

log = logging.getLogger(__name__)

HOOK_SECONDS = 20


@dataclass
class Facts:
    """What is known of a night so far; filled as it goes on."""

    run: str
    date: str = ""
    exit_code: int = 1
    error: str = ""
    sheets: int = 0
    quarantined: int = 0
    blocks: int = 0
    computed: int = 0
    seconds: dict[str, float] = field(default_factory=dict)
    published: str = ""
    changes: Json = field(default_factory=dict)
    partial: bool = False


_HELP = {
    "exit_code": "Exit code of the last run",
    "last_end_timestamp_seconds": "When the last run ended",
    "last_success_timestamp_seconds": "When the last run that exited with 0 or 3 ended",
    "sheets": "Sheets in the plan",
    "sheets_quarantined": "Sheets set aside",
    "blocks": "Blocks of the run",
    "blocks_computed": "Blocks computed by the last run",
    "stage_seconds": "Wall seconds of each stage",
    "changes": "What was added, removed or changed since the night before",
}


def metrics_text(facts: Facts, earlier: str = "") -> str:
    """Prometheus text format 0.0.4. If this run failed, the time of the last success comes from the earlier text."""
    now = time.time()
    name = facts.run.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    label = f'{{run="{name}"}}'
    good = facts.exit_code in (0, 3) and not facts.partial
    rows: dict[str, list[tuple[str, float]]] = {
        "exit_code": [(label, facts.exit_code)],
        "last_end_timestamp_seconds": [(label, round(now, 3))],
        "last_success_timestamp_seconds": [(label, round(now, 3) if good else _last_success(earlier))],
        "sheets": [(label, facts.sheets)],
        "sheets_quarantined": [(label, facts.quarantined)],
        "blocks": [(label, facts.blocks)],
        "blocks_computed": [(label, facts.computed)],
        "stage_seconds": [(f'{label[:-1]},stage="{s}"}}', v) for s, v in facts.seconds.items()],
        "changes": [
            (f'{label[:-1]},layer="{layer}",change="{kind}"}}', n)
            for layer, counts in facts.changes.get("changes", {}).items()
            for kind, n in counts.items()
        ],
    }
    lines = []
    for name, values in rows.items():
        lines += [f"# HELP geoseg_{name} {_HELP[name]}", f"# TYPE geoseg_{name} gauge"]
        lines += [f"geoseg_{name}{labels} {value:.15g}" for labels, value in values]
    return "\n".join(lines) + "\n"


def _last_success(text: str) -> float:
    for line in text.splitlines():
        if line.startswith("geoseg_last_success_timestamp_seconds{"):
            text = line.rpartition(" ")[2]
            return float(text) if text.replace(".", "", 1).isdigit() else 0.0
    return 0.0


def write_metrics(path: Path, facts: Facts) -> None:
    """A textfile for node_exporter, replaced in one step."""
    try:
        earlier = path.read_text(errors="replace")
    except OSError:
        earlier = ""
    commit_bytes(path, metrics_text(facts, earlier).encode(errors="backslashreplace"))


@contextmanager
def telling(options: NightOptions, facts: Facts) -> Iterator[None]:
    """Tell metrics and hooks how a night ended, whatever happens in the block; neither changes how it ended."""
    try:
        yield
    except BaseException as error:
        facts.exit_code, facts.error = exit_code_of(error), str(error)
        raise
    finally:
        try:
            if options.metrics is not None:
                write_metrics(options.metrics, facts)
        except (GeosegError, OSError, ValueError) as error:
            log.error("--metrics: %s", error)  # seen in spite of --quiet: a monitor waits for this file
        tell(options, facts)


def tell(options: NightOptions, facts: Facts) -> None:
    """Run the command and call the webhook; what goes wrong there is logged and changes nothing.

    A shard that others are to follow has no success to tell.
    """
    if facts.partial and facts.exit_code in (0, 3):
        return
    value = json.dumps(facts.__dict__)  # ASCII: file names may hold anything
    command = options.success if facts.exit_code in (0, 3) else options.failure
    if command:
        _run(list(command), value, facts)
    if options.webhook:
        _post(options.webhook, value)


def _run(command: list[str], value: str, facts: Facts) -> None:
    """The command gets the facts as JSON on its input and the important ones in its environment."""
    known = {"GEOSEG_EXIT_CODE": str(facts.exit_code), "GEOSEG_RUN": facts.run, "GEOSEG_ERROR": facts.error}
    known["GEOSEG_CHANGES"] = "; ".join(facts.changes.get("said", ()))
    try:
        done = subprocess.run(
            command, input=value.encode(), env={**os.environ, **known}, timeout=HOOK_SECONDS, check=False
        )
        if done.returncode:
            log.warning("hook %s ended with exit code %d", command[0], done.returncode)
    except (OSError, ValueError, subprocess.TimeoutExpired) as error:
        log.warning("hook %s: %s", command[0], error)


def _post(url: str, value: str) -> None:
    shown = _without_secrets(url)
    if not url.startswith(("https://", "http://")):
        log.warning("webhook %s: not an http address", shown)
        return
    try:
        request = urllib.request.Request(url, value.encode(), {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=HOOK_SECONDS):
            pass
    except (OSError, http.client.HTTPException, ValueError) as error:
        log.warning("webhook %s: %s", shown, str(error).replace(url, shown))


def _without_secrets(url: str) -> str:
    """Scheme and host of an address: the path, the query and the name of a user hold the keys of many services."""
    try:
        parts = urllib.parse.urlsplit(url)
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        return "(no address)"
    return f"{parts.scheme}://{parts.hostname}{port}/..." if parts.hostname else "(no address)"


class JsonLines(logging.Formatter):
    """One JSON object for each log record."""

    def format(self, record: logging.LogRecord) -> str:
        """Time (UTC), level, logger and message; the traceback where there is one."""
        value: Json = {
            "time": time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created)) + f".{int(record.msecs):03}Z",
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            value["traceback"] = self.formatException(record.exc_info)
        return json.dumps(value, ensure_ascii=False)


def log_as_json() -> None:
    """Log lines as JSON from now on, those of geoseg from INFO on."""
    for handler in logging.getLogger().handlers:
        handler.setFormatter(JsonLines())
    for name in ("geoseg", None):
        logger = logging.getLogger(name)
        logger.setLevel(min(logging.INFO, logger.level or logging.INFO))
    logging.getLogger("distributed").setLevel(logging.WARNING)
