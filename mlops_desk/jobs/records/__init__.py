"""Jobs: what was asked for (spec), what became of it (job), where it stands in the queue, and what it left behind."""
