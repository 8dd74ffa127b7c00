"""The page on endpoints."""
