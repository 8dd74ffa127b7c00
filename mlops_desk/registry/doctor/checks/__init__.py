"""What is looked at in a store, each by itself: how it should be, how it is, and what would mend it."""
