"""Rules as they live: what happens becomes facts, facts become firings, and each firing is written down."""
