"""What jobs keep on the disk, and copies of data."""
