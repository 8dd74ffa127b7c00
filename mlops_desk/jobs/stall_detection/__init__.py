"""A training that runs and does not get on: found without a change to its code, told, and never ended for it. Pure."""
