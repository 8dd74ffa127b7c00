"""How many replicas an endpoint has, on which GPUs, and when it has none at all."""
