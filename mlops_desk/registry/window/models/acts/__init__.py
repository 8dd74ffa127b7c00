"""What can be done with a model or a version, beside setting an alias."""
