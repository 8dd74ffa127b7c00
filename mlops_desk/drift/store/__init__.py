"""The agent's store of windows: what monitors have seen, as sketches that add up over any range."""
