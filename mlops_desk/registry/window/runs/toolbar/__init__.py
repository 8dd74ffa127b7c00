"""What stands above the table of runs: filter, saved views, columns, the registry."""
