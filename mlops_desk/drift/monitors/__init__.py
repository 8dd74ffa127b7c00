"""Monitors of drift: what is watched, when its windows are judged, when a monitor turns, and what is said of it.

``turning``, ``judging``, ``proposing`` and ``sentences`` are pure; ``worker`` judges sketches in a process of its own.
"""
