"""What the registry pages and verbs talk about: trackers, windows of runs, comparisons, curves, aliases, stores."""
