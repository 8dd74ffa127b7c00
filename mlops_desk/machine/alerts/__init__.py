"""Alerts: conditions that are watched, who is told of them, and until when nobody is."""
