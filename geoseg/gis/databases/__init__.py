"""Feature layers in databases that other programs read."""
