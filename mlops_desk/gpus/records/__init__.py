"""Records of GPU holders, bookings, requests and hours."""
