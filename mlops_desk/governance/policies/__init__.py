"""Policies of approval: what an alias wants before it moves, who has agreed, and the gate that every move passes."""
