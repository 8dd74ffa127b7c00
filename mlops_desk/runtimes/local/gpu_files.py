"""Which device file each GPU of this machine has, as the driver's own files tell; nothing is asked of the driver."""

from pathlib import Path

_FOLDER = Path("/proc/driver/nvidia/gpus")
_LONGEST = 8192  # a file of it has a dozen short lines


def device_minors(folder: Path = _FOLDER) -> dict[str, int]:
    """Return the number N of /dev/nvidiaN by GPU UUID; of a GPU that the driver has not woken the UUID is unknown."""
    minors: dict[str, int] = {}
    try:
        files = sorted(folder.glob("*/information"))
    except OSError:
        return minors  # no NVIDIA driver is loaded
    for file in files:
        try:
            lines = file.read_text("utf-8", "replace")[:_LONGEST].splitlines()
        except OSError:
            continue  # a GPU that fell off the bus just now
        facts = {name.strip(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        uuid, minor = facts.get("GPU UUID", ""), facts.get("Device Minor", "")
        if uuid.startswith("GPU-") and "?" not in uuid and minor.isdecimal():
            minors[uuid] = int(minor)
    return minors
