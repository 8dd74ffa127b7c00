"""Retraining from frozen data to a promoted version, written down step by step."""
