"""MLflow's own page in a person's browser: opened from the window, by an address that is good once."""
