"""What a registry holds, kept in memory as columns while somebody looks at it, and what is asked of it.

``protocol`` is what the rest of the program sees. ``plain`` answers from whatever a registry's client lists: the
double, and the way of those that no reader knows.
"""
