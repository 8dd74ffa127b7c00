"""Images that serve by themselves: any with a port and a health path."""
