"""Every path of a run folder, spelt here once.

plan.json  patches.gpkg  patches/  masks/  infer.json  engine.json  contents.json  blocks/  locks/  parts/  out/
run.json  stamp.json
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

__all__ = ["NIGHT_JSON", "RunPaths"]

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
        """GeoPackages of features, without exact outlines and without temporary files."""
        found = sorted(self.out.glob("*.gpkg"))
        return [p for p in found if not p.stem.endswith("_exact") and not p.name.startswith(".")]
