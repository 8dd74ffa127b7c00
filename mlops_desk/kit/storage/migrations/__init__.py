"""Alembic migrations of the two databases, one folder each."""
