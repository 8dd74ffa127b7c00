"""What the window knows at this moment: the agent's answers and announcements, kept current."""
