"""The page on models: which there are, their versions side by side, what one is made of, and where its aliases went."""
