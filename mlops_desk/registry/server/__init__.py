"""The desk's own tracking server: its keeper, its process behind a wall, and the guard in front."""
