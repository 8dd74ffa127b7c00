"""What goes out of the gateway: questions to replicas, over connections that are kept."""
