"""``mlops-desk exec``: a command of one's own on leased GPUs. It starts in milliseconds, so it loads little."""
