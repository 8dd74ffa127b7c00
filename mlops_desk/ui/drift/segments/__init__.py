"""Drift within segments: the rows that share a value of one column, window by window."""
