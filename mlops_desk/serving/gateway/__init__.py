"""The gateway process: it takes requests, counts them, and hands them to an endpoint's containers."""
