"""Requests moved between the revisions of an endpoint that is up."""
