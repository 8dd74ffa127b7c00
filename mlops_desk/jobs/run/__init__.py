"""Running a job: attempts, their containers, folders and logs, and what became of them."""
