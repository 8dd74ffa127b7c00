"""Which metrics there are: names, units, and what each means."""
