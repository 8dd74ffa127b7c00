"""Why is this GPU idle, or slow: from the last minute of numbers to one verdict for each GPU."""
