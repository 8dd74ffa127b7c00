"""Where registries meet the rest of the desk."""
