"""From a source to windows: read what is new, cut it by count or by time, each row once."""
