"""How good a model's answers are, window by window: with labels, before they arrive, and between windows. Pure."""
