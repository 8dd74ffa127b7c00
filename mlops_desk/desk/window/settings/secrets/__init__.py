"""Secrets among the settings: one's own by their names. What they say is typed once and never shown."""
