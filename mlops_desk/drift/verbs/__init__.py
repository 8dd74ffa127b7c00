"""What can be asked of drift reports and monitors."""
