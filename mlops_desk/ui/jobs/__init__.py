"""The page on jobs."""
