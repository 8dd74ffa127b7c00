"""The machine and its events as text."""
