"""How the routing table comes from the agent to the gateway: at once over a socket, and as a file to begin with."""
