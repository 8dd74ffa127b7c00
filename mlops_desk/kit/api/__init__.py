"""The agent's local API: ``server`` and ``streams`` (the agent's side), ``client`` and ``start`` (everybody else's)."""
