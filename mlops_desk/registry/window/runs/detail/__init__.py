"""One run: what it is, what it logged, its curves and its files."""
