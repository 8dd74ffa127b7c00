"""Builds by BuildKit, which Docker's own plugin ``buildx`` speaks to: caches, secrets, heredocs, platforms."""
