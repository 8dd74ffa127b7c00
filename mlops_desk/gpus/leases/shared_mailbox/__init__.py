"""What users leave for each other beside their leases: bookings, notes, and who waits for GPUs."""
