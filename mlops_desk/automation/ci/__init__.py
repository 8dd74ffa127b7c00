"""Pipelines of git repositories, whose stages are jobs."""
