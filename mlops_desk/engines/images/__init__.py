"""Images as things that people handle: pulled, built, looked at, cleared away."""
