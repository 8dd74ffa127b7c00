"""Images on the command line: what waits for a pull or build, and what looks before it clears away."""
