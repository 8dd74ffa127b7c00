"""What verbs answer with."""
