"""The runtime of this machine: containers on an engine, with GPUs from the machine's ledger."""
