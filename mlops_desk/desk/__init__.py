"""The agent's Desk: builds and wires the services, and holds them; it has no verbs of its own."""
