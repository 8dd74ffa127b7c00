"""The demonstration: the whole desk on made-up hardware, with a past of its own."""
