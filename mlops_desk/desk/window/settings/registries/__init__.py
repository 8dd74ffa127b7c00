"""The registries that are kept: which there are, who logs in, what ails their stores, what could be cleared away."""
