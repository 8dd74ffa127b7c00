"""The registries that a person keeps by name: what lies there, how it is logged into, whether it answers."""
