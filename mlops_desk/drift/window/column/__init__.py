"""One column of a monitor: how its values are spread then and now, and what is said of it."""
