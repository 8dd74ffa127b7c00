"""Reading tables of data, in the worker's process only: what a column holds, and what is wrong with it."""
