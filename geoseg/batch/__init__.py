"""Whole runs: tile, infer and mosaic in order, skipping what is done."""
