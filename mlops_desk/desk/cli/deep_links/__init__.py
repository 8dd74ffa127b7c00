"""`open`: leads a window, or a browser, to what an address or a name means."""
