"""Bare processes of this machine: not started by the desk, but waiting for it to lease them their GPUs."""
