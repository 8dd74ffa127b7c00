"""The numbers of this machine for Prometheus."""
