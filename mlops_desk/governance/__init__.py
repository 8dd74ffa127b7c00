"""What an auditor asks for: evidence of how a model came about, what it did, and who decided."""
