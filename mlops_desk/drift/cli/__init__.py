"""What the command line does about drift without an agent."""
