"""Scores from counts that add up: of pixels, of objects, of outlines and lines."""
