"""Endpoints from other machines: where the gateway listens beyond loopback, and by which certificate."""
