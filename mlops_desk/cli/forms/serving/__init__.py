"""Texts about endpoints."""
