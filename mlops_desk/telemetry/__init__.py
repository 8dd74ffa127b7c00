"""Live numbers of the workstation: GPUs, host, disks, networks.

    sensor -> source (nvml, host, nvme, network, simulated) -> collector process -> pipe -> sampler
        -> ring -> history (telemetry database)
        -> service -> bus

The collector alone loads the driver's library, so a driver that hangs costs a process that can be replaced.
``metrics`` declares every number; ``merge`` and ``supervision`` decide, without clock or process, what is still true.
"""
