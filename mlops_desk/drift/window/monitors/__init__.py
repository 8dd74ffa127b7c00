"""Which monitors there are, how each stands, and what can be done with it."""
