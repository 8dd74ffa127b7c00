"""Whether a model fits into the memory that its container gets, and into what the machine has free.

What a file of weights has on disk it has in memory at least; what the libraries take beside it is an estimate, so only
weights that are larger than the container are refused.
"""

from dataclasses import dataclass
from pathlib import Path

from mlops_desk.base.text import size_text

OVERHEAD_BYTES = 400 << 20
"""Chosen: Python with pandas, scikit-learn and MLflow takes 250 to 350 MiB before a model is there."""
_MIB = 1 << 20
WORKING_SHARE = 0.2  # chosen: what a request of some rows takes beside the weights


@dataclass(frozen=True, slots=True)
class Fit:
    """What a model needs, what its container may take, and what the machine has free (None: not known)."""

    weights_bytes: int
    limit_bytes: int
    free_bytes: int | None = None

    @property
    def needed_bytes(self) -> int:
        return int(self.weights_bytes * (1 + WORKING_SHARE)) + OVERHEAD_BYTES

    @property
    def can_be(self) -> bool:
        """Tell whether the weights alone have room in the container."""
        return self.weights_bytes <= self.limit_bytes

    def text(self) -> str:
        """Say how it stands, for whoever watches the deployment."""
        needs = f"about {size_text(self.needed_bytes)} ({files_told(self.weights_bytes)})"
        told = f"needs {needs}, gets up to {size_text(self.limit_bytes)}"
        if self.free_bytes is not None:
            told += f", {size_text(self.free_bytes)} are free"
        if self.needed_bytes > self.limit_bytes:
            told += ": it may be too little"
        elif self.free_bytes is not None and self.needed_bytes > self.free_bytes:
            told += ": others may have to make room"
        return told


def free_bytes(table: Path = Path("/proc/meminfo")) -> int | None:
    """Return what new programs may take without pushing others out, by the kernel's own estimate; None: not known."""
    try:
        lines = table.read_text("ascii", "replace").splitlines()
    except OSError:
        return None
    told = next((line.split()[1] for line in lines if line.startswith("MemAvailable:")), "")
    return int(told) << 10 if told.isdecimal() else None


def files_told(size_bytes: int) -> str:
    """Say how large a model's files are; what is hardly anything is never told as nothing."""
    return f"{size_text(size_bytes) if size_bytes >= _MIB else 'less than 1 MiB'} of files"
