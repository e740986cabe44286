"""Commands about the nights of a run: what changed between two of them, and which ones stay."""
