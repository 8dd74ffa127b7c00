"""The page that is seen first: everything at a glance."""
