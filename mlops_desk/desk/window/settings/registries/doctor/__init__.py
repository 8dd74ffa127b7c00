"""What ails a store, and what mends it."""
