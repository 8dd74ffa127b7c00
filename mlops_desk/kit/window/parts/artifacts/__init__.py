"""The files of a run or of a version of a model: a tree on the left, what the chosen one holds on the right."""
