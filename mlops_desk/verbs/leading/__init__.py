"""Where an address leads, and which job a run is of: what window and command line both ask."""
