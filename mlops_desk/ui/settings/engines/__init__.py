"""Container engines among the settings: what can be reached, which one jobs run on, where GPUs were proven."""
