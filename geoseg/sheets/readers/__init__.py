"""Several decoder processes at a time: the memory that pixels pass through, and who reads which part of a window."""
