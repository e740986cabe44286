"""Records of blocks, and the copy of them all."""

from __future__ import annotations

from geoseg.plan import plan_blocks
from geoseg.runfolder.folder import Run


def test_the_ledger_is_a_copy_and_the_records_are_the_truth(town, monkeypatch) -> None:
    """Records are opened again only where their files are others; a copy that is damaged or cannot be kept is none."""
    from geoseg.runfolder import records as ledger
    from geoseg.runfolder.blocks import read_record

    _, run, night = town
    night()
    blocks = plan_blocks(Run(run).plan)
    opened: list[object] = []
    monkeypatch.setattr(ledger, "WORTH_IT", 1)
    monkeypatch.setattr(ledger, "read_record", lambda r, b: opened.append(b) or read_record(r, b))

    def looked() -> int:
        opened.clear()
        assert ledger.records_of(run / "blocks", run / "locks/ledger.json", blocks) == {
            b: r for b in blocks if (r := read_record(run / "blocks", b))
        }
        return len(opened)

    assert looked() == len(blocks)
    assert looked() == 0
    record = run / "blocks" / "0_0.json"
    data = record.read_bytes()
    record.unlink()
    assert looked() == 0  # gone, and not remembered
    record.write_bytes(data)
    assert looked() == 1
    (run / "blocks" / "0_1.tif").write_bytes(b"cut")
    assert looked() == 0
    assert (0, 1) not in ledger.records_of(run / "blocks", run / "locks/ledger.json", blocks)
    copy = run / "locks" / "ledger.json"
    text = copy.read_text()
    copy.write_text(text.replace('"size"', '"sise"', 1))
    assert looked() == len(blocks) - 1 + 1
    copy.unlink()
    copy.mkdir()  # nothing can be kept there
    assert looked() == len(blocks)
