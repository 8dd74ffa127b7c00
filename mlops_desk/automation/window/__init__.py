"""What the desk does by itself: rules, the retrainings they begin, what waits for a person's word, and labels."""
