"""How good answers in monitors' windows were: labels come by request id, and late; windows are scored again then.

``naming``, ``scoring`` and ``telling`` are pure; ``worker`` reads the log with its feedback in a process of its own.
"""
