"""The window around the pages: sidebar, bars, palette, notices, tray. It knows no page."""
