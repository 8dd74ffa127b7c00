"""How good the answers in a monitor's windows were: figures over time, what was expected of them, labels that lack."""
