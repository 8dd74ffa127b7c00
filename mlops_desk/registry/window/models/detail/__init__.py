"""The chosen version in tabs: what it is, its files, where it comes from, where its model's aliases went."""
