"""The page on models."""
