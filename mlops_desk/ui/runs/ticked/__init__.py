"""The runs that are ticked, to be compared."""
