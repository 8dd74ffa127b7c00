"""The catalogue of data as text: sets, what a retention takes, what is taken out of logs."""
