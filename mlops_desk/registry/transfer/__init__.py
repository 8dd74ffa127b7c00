"""Versions of models as files: whether they are still what was registered, and from one registry to another."""
