"""Charts: painted stacks for what is live, pyqtgraph for what is analysed."""
