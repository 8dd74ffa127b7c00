"""When a model drifts, its job runs again, and a person decides whether the alias moves.

``decision`` says when a rule fires and whether a challenger is better; it is pure.
"""
