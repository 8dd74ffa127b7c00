"""What can be asked of cards, policies, data sets, evidence and the audit."""
