"""Clearing runs and versions away by rules: what would go is shown before, with what keeps the rest."""
