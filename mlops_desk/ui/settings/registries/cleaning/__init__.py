"""Clearing a registry up: what would go, what stays because of what, before anything goes."""
