"""Databases of other people, asked by their own query: read only, in batches, within a time."""
