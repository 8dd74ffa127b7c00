"""Records of GPUs, host, metrics, history, events and alerts."""
