"""What can be asked of container engines and images."""
