"""One model version in several forms, measured beside one another on this machine."""
