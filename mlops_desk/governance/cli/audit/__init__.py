"""The audit as people and other programs ask for it."""
