"""Series that are recorded point by point, late, out of order and sparsely: batches, then pages of each series."""
