"""Data sets: images with labels, polygons or drawn scenes, split without leaks into training, validation and test."""
