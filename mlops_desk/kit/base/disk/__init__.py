"""What lies on disk: where, who may read it, whether there is room, and writing that a crash can't tear."""
