"""The database of windows: what monitors of drift have seen, rolled up by hour, day and month."""
