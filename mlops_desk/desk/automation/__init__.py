"""Where rules meet what they are about."""
