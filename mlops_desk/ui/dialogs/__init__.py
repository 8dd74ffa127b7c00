"""Forms that create something and questions that confirm something, never for reading."""
