"""A rule as one YAML document: how a person writes it down, where in it something is wrong, and how it reads."""
