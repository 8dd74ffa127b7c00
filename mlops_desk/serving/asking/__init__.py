"""Asking a model beside its traffic: one request by hand, and logged ones again."""
