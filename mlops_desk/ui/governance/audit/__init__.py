"""The tab on the audit: who changed what, found again, and whether what is told of it holds."""
