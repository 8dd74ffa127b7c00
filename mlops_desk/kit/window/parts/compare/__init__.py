"""Several runs or versions side by side: what differs between them, and how their code differs."""
