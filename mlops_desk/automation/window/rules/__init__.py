"""Rules as sentences: how they stand, what they did, what they would have done, and the document that each is."""
