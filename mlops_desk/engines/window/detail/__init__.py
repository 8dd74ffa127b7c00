"""The chosen image, or the chosen pull or build."""
