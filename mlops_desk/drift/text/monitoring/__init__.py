"""Monitors of drift as text: how they stand, their windows, and how good answers were."""
