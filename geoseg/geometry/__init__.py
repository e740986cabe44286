"""Frozen values and arithmetic: grid, windows, lattice, panels, ground distances. No files, no torch."""
