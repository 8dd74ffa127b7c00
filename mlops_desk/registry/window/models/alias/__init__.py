"""Moving an alias: what it brings, what follows it, and the way back."""
