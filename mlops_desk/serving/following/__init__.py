"""Endpoints that go with an alias of a model."""
