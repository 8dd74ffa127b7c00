"""The table of runs by what they have in common: how many there are of each, and how their metrics lie."""
