"""The pages of models and runs."""
