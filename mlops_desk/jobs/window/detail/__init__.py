"""The chosen job: why it stands as it does, what it writes, its GPUs, its run, and what it is made of."""
