"""What rules do when they fire: each action once, whatever ends the agent in its midst."""
