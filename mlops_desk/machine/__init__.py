"""The machine: telemetry of its hardware, events and alerts."""
