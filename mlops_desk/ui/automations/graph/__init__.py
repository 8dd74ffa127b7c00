"""What follows what, as boxes with arrows: steps of retrainings and stages of repositories' pipelines."""
