"""Jobs, the queue and staged data as text."""
