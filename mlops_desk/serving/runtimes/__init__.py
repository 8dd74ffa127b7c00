"""What serves a model version, and in which image: the choice, and what each way needs."""
