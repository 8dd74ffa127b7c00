"""The pages of host, storage and events."""
