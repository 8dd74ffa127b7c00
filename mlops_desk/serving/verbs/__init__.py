"""What can be asked of endpoints."""
