"""Whether a model fits into the memory that its container gets, and into what the machine has free.

What a file of weights has on disk it has in memory at least; what the libraries take beside it is an estimate, so only
weights that are larger than the container are refused.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from mlops_desk.gpus.records.gpu_status import GpuCard
from mlops_desk.kit.base.text import size_text

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


# Whether a model fits into the memory of its GPUs: weights, a request's work, and what CUDA and the framework take.
#
# What a framework takes was not measured here; each number is somebody's who did, and is said with it. It is asked for
# on each GPU, while weights are spread over all of them. Pure.

_ONNX_BYTES = 300 * _MIB
"""github.com/microsoft/onnxruntime/issues/9138: 345 MB for ResNet-18, whose file has 45 MB."""
_TORCH_BYTES = 1031 * _MIB
"""The same thread, once PyTorch is imported too: its context, its kernels, cuBLAS and cuDNN."""
_TREES_BYTES = 300 * _MIB
"""Chosen as for ONNX Runtime: a context and a few kernels. Nobody measured."""
_BY_FLAVOR = {
    "onnx": _ONNX_BYTES, "xgboost": _TREES_BYTES, "lightgbm": _TREES_BYTES, "catboost": _TREES_BYTES,
}  # fmt: skip


def overhead_bytes(flavors: Collection[str]) -> int:
    """Return what a model's framework takes of each GPU beside weights: of several the largest.

    Where nobody knows which it is, that is PyTorch's.
    """
    return max((_BY_FLAVOR.get(flavor, _TORCH_BYTES) for flavor in flavors), default=_TORCH_BYTES)


@dataclass(frozen=True, slots=True)
class GpuFit:
    """What a replica needs of each of its ``count`` GPUs."""

    weights_bytes: int
    overhead_bytes: int
    count: int

    @property
    def least_bytes(self) -> int:
        """What it can't be without: its share of the weights, and what the framework takes."""
        return -(-self.weights_bytes // max(1, self.count)) + self.overhead_bytes

    @property
    def needed_bytes(self) -> int:
        """The same with room for the work of a request."""
        return int(self.weights_bytes * (1 + WORKING_SHARE) / max(1, self.count)) + self.overhead_bytes

    def has_room(self, card: GpuCard) -> bool:
        """Tell whether a GPU is not known to be too full, or too small."""
        return card.room_bytes is None or card.room_bytes >= self.least_bytes

    def text(self, cards: Sequence[GpuCard]) -> str:
        """Say what it needs of each GPU, and what these have free."""
        weights = files_told(self.weights_bytes)
        if self.count > 1:
            weights += f" over {self.count}"
        told = (
            f"needs about {size_text(self.needed_bytes)} of {'its' if self.count == 1 else 'each'} GPU ({weights}, "
            f"about {size_text(self.overhead_bytes)} for CUDA and the framework)"
        )
        free = "; ".join(
            f"GPU {card.index} has {'an unknown size' if card.room_bytes is None else size_text(card.room_bytes)} free"
            for card in cards
        )
        tight = any(card.room_bytes is not None and card.room_bytes < self.needed_bytes for card in cards)
        return f"{told}{f'; {free}' if free else ''}{': it may be too little' if tight else ''}"
