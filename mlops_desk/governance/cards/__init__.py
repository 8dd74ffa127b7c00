"""Cards of versions: how they go from draft to archive, where they lie, and what they are written as."""
