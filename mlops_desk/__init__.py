"""MLOps Desk: one window for the people who share one multi-GPU workstation. CONTRIBUTING.md has its structure."""

__version__ = "0.1.0"
