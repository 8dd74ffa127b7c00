"""Answered requests that want a label, one after the other, by keys."""
