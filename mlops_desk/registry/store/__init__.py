"""MLflow's own store read directly, by SQL: SQLite and PostgreSQL, never written to, and never in a writer's way."""
