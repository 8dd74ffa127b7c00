"""The page on GPUs."""
