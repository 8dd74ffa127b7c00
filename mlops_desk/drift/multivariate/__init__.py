"""Whole rows compared with whole rows: what no look at one column alone can see. Run on demand, in a worker."""
