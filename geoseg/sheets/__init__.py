"""Sheets: the only way in. Files are checked at the door, decoded in another process, and read as one photo."""
