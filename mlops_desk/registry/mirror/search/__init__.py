"""Finding versions of models by what is typed into one box."""
