"""What talks MLflow: the client behind the registry's protocol, and its workers."""
