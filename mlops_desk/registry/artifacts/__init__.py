"""The files that runs and models have left: where they lie, what is in a folder, and how one looks.

``source`` says from what place a file is read, and refuses all others; ``folder`` and ``proxy`` read there. All of it
happens in ``worker``, a child process with a limit of memory and time, which makes the views of ``views``: a hostile
file ends that child and nothing else. ``shelf`` is the agent's side.
"""
