"""Where drift meets the rest of the house: endpoints and their logs, models and their data, alerts."""
