"""Sees what containers paint (progress bars) while they paint it: an engine's log has a line only when it is over.

A container stands still while somebody is attached to it and does not read. So who looks on is a process of its own,
which never waits for the agent, and which the kernel kills as soon as it does not read (``attach_worker.py``).
"""
