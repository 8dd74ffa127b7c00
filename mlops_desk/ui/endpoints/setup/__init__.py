"""How the chosen endpoint is set up, and how that is changed."""
