"""The GPUs of the machine: who holds which, bookings, notes and hours."""
