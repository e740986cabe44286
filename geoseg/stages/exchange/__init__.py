"""Model files in and out: import, export, timing."""
