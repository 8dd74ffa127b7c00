"""Who may ask an endpoint."""
