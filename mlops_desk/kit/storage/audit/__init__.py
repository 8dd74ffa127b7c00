"""The audit's entries as they stand, and the chain of all that was written of them."""
