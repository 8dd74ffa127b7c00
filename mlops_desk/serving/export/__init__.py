"""Endpoints that leave the box: as an image, with the files that start it elsewhere, signed and checked."""
