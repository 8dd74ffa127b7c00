"""What pages are made of that knows what the agent said."""
