"""The queue as a table: its columns, and what narrows it."""
