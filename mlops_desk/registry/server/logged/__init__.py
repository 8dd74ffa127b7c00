"""What jobs put into the store itself: what is there, how much it may be, and who was refused more."""
