"""The tab on data: the catalogue, what a set is, who stands on it, and what of it is kept and logged."""
