"""Versions of a model, or those that a search found: as a table, and a metric of them as a strip."""
