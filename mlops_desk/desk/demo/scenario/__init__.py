"""What the demonstration's small team has automated and agreed upon: rules, retrainings, cards, data, approvals."""
