"""Many runs as points of a space of parameters and metrics: over parallel axes, in a plane, by what mattered."""
