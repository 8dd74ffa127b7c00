"""What jobs of one sweep or array have to do with each other: who ends early, when all stop, which is best."""
