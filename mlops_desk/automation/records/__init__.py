"""When X for T, then Y: what a rule says, and what it would have done."""
