"""The page on the host."""
