"""Workers that look at what nobody announces: a commit of a repository, the data that a file of DVC's names."""
