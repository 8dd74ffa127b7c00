"""A simulated workstation: 8 GPUs, 64 cores, 4 NVMe drives, 4 network ports, and the jobs of people coming and going.

Everything is a function of the seed and the time, so two runs at the same time show the same. Names say "simulated".
It has what a real one has trouble with: a GPU that throttles, one that its job waits for, a loader that starves, a
program that grows until it is killed, driver errors, a worn drive, a filesystem nearly full and one that is silent.
``SimulatedFaults`` makes GPUs fail on purpose, for tests and for showing what failure looks like; ``SimulatedEnding``
ends processes.
"""
