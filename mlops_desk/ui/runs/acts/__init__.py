"""What can be done with a run, and how it is taken back."""
