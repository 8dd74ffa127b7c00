"""Telemetry's history on disk: blocks of samples, rolled up as they age."""
