"""The same questions answered from plain lists: the double, and the way of registries that no reader knows."""
