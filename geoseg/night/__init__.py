"""One night: tile, infer and mosaic in one go, published under its date, with what it tells others."""
