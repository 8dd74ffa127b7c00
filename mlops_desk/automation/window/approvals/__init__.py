"""What waits for a person's word, with all that one needs to give it beside the button."""
