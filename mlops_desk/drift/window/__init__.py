"""The page on drift: reports, and retraining."""
