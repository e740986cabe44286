"""Sheets: the only way in. Files are checked at the door, decoded in a process of their own, and read as one photo."""
