"""Records of drift: reports, monitors, profiles, predictions and their performance."""
