"""What governance keeps: cards of model versions, policies of approval, and who has approved what."""
