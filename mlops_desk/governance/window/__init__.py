"""What an auditor asks for: where versions come from, their cards, the data, who changed what, and evidence."""
