"""Evidence packs as people ask for them."""
