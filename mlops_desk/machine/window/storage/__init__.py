"""The page on disks and networks."""
