"""Logins at registries of images: where a person keeps them, and whose an image is that was pulled with one."""
