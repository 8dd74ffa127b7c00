"""The machine-wide ledger of GPUs, shared by the agents of all users.

``allocation`` is pure, ``files`` writes the lease files, ``host`` knows processes, ``ledger`` puts them together.
"""
