"""The chosen endpoint, in tabs."""
