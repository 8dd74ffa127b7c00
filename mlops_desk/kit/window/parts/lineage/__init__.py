"""Where a model comes from and what stands on it, as a graph to look at."""
