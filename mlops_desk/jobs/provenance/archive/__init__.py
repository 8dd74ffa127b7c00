"""A job as one file: its form, how it is read by whoever trusts nothing of it, and how it becomes a job again."""
