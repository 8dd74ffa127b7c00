"""Live numbers of the workstation: GPUs, host, disks, networks.

    sensor -> source (nvml, host, simulated) -> collector process -> pipe
        -> service -> bus
        -> history (minutes in memory, then the telemetry database)

The collector alone loads the driver's library, so a driver that hangs costs a process that can be replaced.
``metrics`` declares every number; ``pipe.merge`` and ``pipe.supervision`` decide, without clock or process, what is
still true.
"""
