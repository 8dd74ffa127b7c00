"""Rows made for a training: what their maker is given, whether they are what was asked for, and how good they are."""
