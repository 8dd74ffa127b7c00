"""What can be asked of telemetry, events and alerts."""
