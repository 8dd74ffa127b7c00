"""Dialogs about images: pull, build, remove, clear away."""
