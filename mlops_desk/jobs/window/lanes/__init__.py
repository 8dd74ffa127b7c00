"""One lane a GPU: who had it, who has it, and who is expected to get it."""
