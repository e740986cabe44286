"""Looking at a run: status, verify, view."""
