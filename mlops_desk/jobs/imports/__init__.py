"""Job files made of what people have already: ``docker run`` lines, Compose files, MLprojects. Pure."""
