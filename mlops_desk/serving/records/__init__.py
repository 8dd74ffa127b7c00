"""What is told of endpoints."""
