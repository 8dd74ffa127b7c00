"""What a model answers, as columns that are judged like any other: found in a reference, in a log, or pinned there."""
