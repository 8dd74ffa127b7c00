"""Endpoints: from a registered model version to a container that answers behind the gateway.

``service`` has the verbs, ``plan`` is pure, ``image`` and ``revision`` make and try a container, ``gateway`` is the
process in the path of requests.
"""
