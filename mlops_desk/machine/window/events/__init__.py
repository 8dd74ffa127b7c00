"""The page on events and alerts."""
