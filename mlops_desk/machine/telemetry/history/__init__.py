"""The past of every curve: minutes in memory, months on disk. The agent's side."""
