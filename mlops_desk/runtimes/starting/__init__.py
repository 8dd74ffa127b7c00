"""What a runtime says of a job that it did not start: a table of causes, and who tells of them. Pure."""
