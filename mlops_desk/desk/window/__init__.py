"""The window as a whole: its frame, the overview, the settings and the list of pages."""
