"""Two models' answers on the same rows, scored by the same code."""
