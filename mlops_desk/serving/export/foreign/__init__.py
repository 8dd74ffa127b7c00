"""Images for machines of another kind: of a base image and wheels, without running anything of either."""
