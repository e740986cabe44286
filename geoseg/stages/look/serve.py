"""geoseg view --serve: the web map of a run on this machine, for its browsers alone."""

from __future__ import annotations

from pathlib import Path

from geoseg.commit import read_json
from geoseg.gis.web_map.server import PORT, MapServer, map_server
from geoseg.progress import Progress, unheard
from geoseg.runfolder.folder import Run
from geoseg.stages.look.web import INDEX, fresh_map, web_map

__all__ = ["server_of"]


def server_of(run: Run | Path, out: Path | None = None, port: int = PORT, hear: Progress = unheard) -> MapServer:
    """A server of the web map of a run, which is made first where there is none of the run as it is now.

    Args:
        run: a run that a mosaic has finished.
        out: the page or the folder of the map, as `web_map` takes it.
        port: on 127.0.0.1; 0 for any that is free.
        hear: is told how far the map is.

    Raises:
        PlanError: no such run.
        EnvironmentFault: the port is taken, or the disk refuses the map.
    """
    run = Run.of(run)
    made = fresh_map(run, out) or web_map(run, out, hear=hear)
    if made.folder is None:
        return map_server({"": made.page, made.page.name: made.page}, port)
    names = [str(n) for n in read_json(made.folder / "map.json")["files"]]
    files = {n: made.folder / n for n in names if n == Path(n).name and not n.startswith(".")}
    return map_server({"": made.folder / INDEX, **files}, port)
