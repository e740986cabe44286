"""geoseg model bench; on the shipped network the docs run it."""

from __future__ import annotations

from fakes import untrained

from geoseg.predict.engines import ENGINES, available


def test_every_engine_that_is_installed_is_timed(tmp_path, geoseg) -> None:
    model = untrained(tmp_path / "m.safetensors", "unet_s", width=8)
    code, out, err = geoseg("model", "bench", model, "--seconds", 0.1)
    assert code == 0, err
    assert all(engine in out for engine in ENGINES if available(engine))
