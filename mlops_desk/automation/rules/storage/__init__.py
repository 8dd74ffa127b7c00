"""Rules as they are kept: documents, what a retraining says of itself beside them, and what they did."""
