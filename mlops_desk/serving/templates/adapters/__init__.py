"""What converts a model for a runtime, one module each; a template names it."""
