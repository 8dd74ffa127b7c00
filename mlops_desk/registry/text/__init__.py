"""What the command line makes of answers about registries, their runs and models. ``forms`` has all of them."""
