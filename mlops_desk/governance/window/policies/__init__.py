"""Policies of approval: what an alias of a model wants before it moves, and what a version lacks of it."""
