"""The parts of the GPUs page: its curves, tables, facts, and the verdict on the chosen GPU."""
