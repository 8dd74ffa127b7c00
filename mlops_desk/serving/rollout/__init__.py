"""How a new revision takes over step by step, and what sends it back."""
