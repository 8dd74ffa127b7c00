"""The command line of automation."""
