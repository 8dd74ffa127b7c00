"""``ci run``: a pipeline begun, looked after until it ends, and told as other programs read it."""
