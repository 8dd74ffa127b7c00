"""The log of what happened on this machine: drafted, folded, kept, and told."""
