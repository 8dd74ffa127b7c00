"""Measures of drift and quality for one column. Pure: arrays in, numbers and verdicts out."""
