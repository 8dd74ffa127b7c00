"""The log of an attempt as it is kept: compressed while it runs, and read from any line on."""
