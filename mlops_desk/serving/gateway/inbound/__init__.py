"""What comes in to the gateway: connections, who may hold one for how long, and the requests that are read off them."""
