"""Pieces that pages are made of; they know nothing of the core."""
