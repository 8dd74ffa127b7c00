"""What an attempt in a container is made of and what it took: image, packages inside, processor time and memory."""
