"""Charts whose ground are the windows of a monitor, one place each."""
