"""Runtimes as data: servers of others, each described by one file, and what converts a model for one."""
