"""Colours, symbols and fonts."""
