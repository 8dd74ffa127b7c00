"""Keeping what runs up: looks at the engine, restarts, and containers that have lost their record."""
