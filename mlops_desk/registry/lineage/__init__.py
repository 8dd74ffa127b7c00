"""Where a model comes from and what stands on it: ``graph`` is pure, ``gathering`` asks the registry and the house."""
