"""Words for numbers, GPUs, alerts and marks, the same on every page. No widgets."""
