"""A new job: as a form, and as the file that it is."""
