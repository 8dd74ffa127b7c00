"""Labels: which logged requests a person is asked about first, and what they said."""
