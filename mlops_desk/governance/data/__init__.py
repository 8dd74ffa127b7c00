"""The catalogue of data: which there are and who stands on them, how long rows are kept, what is taken out of logs."""
