"""Cards as people ask for them as files."""
