"""What governance is told by the rest of the house: evidence of versions, and labels of requests."""
