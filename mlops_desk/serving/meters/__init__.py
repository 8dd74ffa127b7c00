"""What endpoints do and take, counted: now, of the last day, and into the history."""
