"""What the command line makes of single answers: one way of showing each kind of record."""
