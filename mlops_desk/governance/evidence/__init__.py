"""Evidence packs: made of what the rest of the house tells, signed, and looked at without it."""
