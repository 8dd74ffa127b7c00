"""Profiles of data: sketches that add up, so that a reference is read once and any range of windows is one more sum."""
