"""What the command line says while a verb is under way."""
