"""The code of a job, as it was at its submit: read as the submitter in a process of its own, kept by content."""
