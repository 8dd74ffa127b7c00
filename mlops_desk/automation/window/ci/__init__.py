"""Runs of repositories' pipelines, and the repositories that rules watch."""
