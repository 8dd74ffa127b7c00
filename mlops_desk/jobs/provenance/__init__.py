"""Repeatability: what made a job's result, frozen; the same job again; and what differs between two."""
