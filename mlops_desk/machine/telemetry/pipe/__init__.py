"""From the collector to the agent: frames over a pipe, and both of its ends."""
