"""Cards and policies as text."""
