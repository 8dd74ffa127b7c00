"""Who listens to the containers of jobs while they run."""
