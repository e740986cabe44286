"""The run folder, which is all that the stages share: its files, records and locks, and which blocks are fresh."""
