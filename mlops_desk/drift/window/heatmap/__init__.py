"""Columns by windows: what has moved, how far, and since when."""
