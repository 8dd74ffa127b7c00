"""Drift, monitors and data sets as text."""
