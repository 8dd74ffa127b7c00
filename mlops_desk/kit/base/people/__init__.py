"""Working on behalf of a user of this machine: who they are, and becoming them."""
