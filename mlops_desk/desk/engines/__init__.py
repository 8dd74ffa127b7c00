"""Container engines on the desk: their verbs, the doctor's checks of GPUs in containers, and who is told of what."""
