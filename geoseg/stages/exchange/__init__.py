"""Model files: import, export and timing."""
