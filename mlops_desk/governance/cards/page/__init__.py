"""A card as a file: what stands on it in which order, as Markdown, HTML and PDF."""
