"""The catalogue of data: sets and their versions, what a retention takes, what is taken out of request logs."""
