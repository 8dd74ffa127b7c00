"""The page on images: what is on the engine, what needs it, what is on its way, and clearing away."""
