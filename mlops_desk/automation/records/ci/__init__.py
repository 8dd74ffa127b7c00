"""Runs of repositories' pipelines, stage by stage."""
