"""Making the image that serves a model version."""
