"""Every path of a run folder, spelt here once.

plan.json  patches.gpkg  patches/  masks/  infer.json  engine.json  contents.json  blocks/  locks/  parts/  out/
run.json  stamp.json
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

__all__ = ["EXACT", "NIGHT_JSON", "RunPaths", "without_exact"]

EXACT = "_exact"
"""What the name of a GeoPackage of exact outlines adds to that of its features."""

NIGHT_JSON = "night.json"
"""What the folder of a published night holds beside its outputs: date, time, key and files."""


@dataclass(frozen=True)
class RunPaths:
    """The paths of a run folder; nothing need lie there."""

    folder: Path

    @property
    def plan_json(self) -> Path:
        """The plan: what `tile` found and decided."""
        return self.folder / "plan.json"

    @property
    def patches_gpkg(self) -> Path:
        """Footprints of patches, blocks and sheets, drawn."""
        return self.folder / "patches.gpkg"

    @property
    def patches(self) -> Path:
        """Patches as GeoTIFFs, which `tile --write-patches` writes."""
        return self.folder / "patches"

    @property
    def masks(self) -> Path:
        """Masks of blank areas of sheets that do not say themselves where they have data."""
        return self.folder / "masks"

    @property
    def infer_json(self) -> Path:
        """The job: what `infer` decided."""
        return self.folder / "infer.json"

    @property
    def engine_json(self) -> Path:
        """The engine that was chosen, and the question that it answers."""
        return self.folder / "engine.json"

    @property
    def contents_json(self) -> Path:
        """Hashes of the sheets' bytes."""
        return self.folder / "contents.json"

    @property
    def blocks(self) -> Path:
        """The blocks and their records."""
        return self.folder / "blocks"

    @property
    def locks(self) -> Path:
        """Locks, and notes that may be deleted without loss."""
        return self.folder / "locks"

    @property
    def parts(self) -> Path:
        """Results of an unfinished mosaic, from which it goes on."""
        return self.folder / "parts"

    @property
    def originals(self) -> Path:
        """GeoPackages as mosaics have made them, packed: what people have changed since is told by them."""
        return self.folder / "originals"

    @property
    def run_ids_json(self) -> Path:
        """The run ids of all maps that were made here."""
        return self.originals / "run_ids.json"

    @property
    def answers_gpkg(self) -> Path:
        """What people have said of the maps of this run: verdicts and edits."""
        return self.folder / "answers.gpkg"

    @property
    def out(self) -> Path:
        """The outputs, which GIS users open."""
        return self.folder / "out"

    @property
    def latest(self) -> Path:
        """The link to the published night that readers see."""
        return self.out / "latest"

    @property
    def catalog_json(self) -> Path:
        """The STAC catalog of the published nights."""
        return self.out / "catalog.json"

    @property
    def run_json(self) -> Path:
        """The outputs of a finished mosaic, listed; written last."""
        return self.folder / "run.json"

    @property
    def stamp_json(self) -> Path:
        """The question and the answer of the last night."""
        return self.folder / "stamp.json"

    @property
    def ledger_json(self) -> Path:
        """A copy of all records, which one look reads."""
        return self.locks / "ledger.json"

    @property
    def mosaic_json(self) -> Path:
        """The mosaic at work."""
        return self.locks / "mosaic.json"

    @property
    def feature_files(self) -> list[Path]:
        """GeoPackages in `out/`, without exact outlines (which lie beside their features) and temporary files."""
        return without_exact(sorted(self.out.glob("[!.]*.gpkg")))


def without_exact(files: list[Path]) -> list[Path]:
    """GeoPackages without each NAME_exact.gpkg whose NAME.gpkg is among them, too."""
    names = {file.stem for file in files}
    return [file for file in files if not (file.stem.endswith(EXACT) and file.stem.removesuffix(EXACT) in names)]
