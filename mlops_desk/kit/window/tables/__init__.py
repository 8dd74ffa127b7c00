"""Tables of records: models that announce only changed rows, and the view that shows them."""
