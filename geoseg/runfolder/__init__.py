"""The run folder: all that stages share. Its files, its records, its locks, and what is fresh in it."""
