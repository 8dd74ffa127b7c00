"""Verbs about endpoints, by what they are about; the service has them all."""
