"""When a model drifts, its job runs again, and a person decides whether the alias moves.

``condition`` says when a rule fires, ``decide`` whether a challenger is better; both are pure.
"""
