"""What is wrong with a store of runs and models, and what would mend it. Looked at and mended by a worker alone."""
