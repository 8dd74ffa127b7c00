"""Who may ask for a verb: what the agent's policy says of people, and what decides by it."""
