"""What was asked of endpoints and answered, as people look for it, and what turned out later."""
