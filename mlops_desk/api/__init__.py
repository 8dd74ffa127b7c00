"""The agent's local API: ``wire`` (records <-> JSON), ``server`` (the agent's side), ``client`` (everybody else's)."""
