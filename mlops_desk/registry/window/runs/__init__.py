"""The page on the runs of a registry: a table of any number of them, one run, and many compared."""
