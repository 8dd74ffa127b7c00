"""Images of a container engine: those that are there, and those on their way."""
