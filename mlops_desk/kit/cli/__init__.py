"""What the command line of every feature shares."""
