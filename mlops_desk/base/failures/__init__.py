"""What fails, and is tried again: how long until then, and what of it is logged."""
