"""The command line of jobs, where it is more than a table."""
