"""How files look that are never opened with anything that runs them: one module for each kind. Used by the worker."""
