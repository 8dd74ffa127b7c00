"""Docker behind the engine's protocol: the only place that knows the Docker SDK."""
