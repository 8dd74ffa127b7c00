"""What can be asked of models, runs and the registry."""
