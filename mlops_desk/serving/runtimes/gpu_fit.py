"""Whether a model fits into the memory of its GPUs: weights, a request's work, and what CUDA and the framework take.

What a framework takes was not measured here; each number is somebody's who did, and is said with it. It is asked for on
each GPU, while weights are spread over all of them. Pure.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from mlops_desk.base.text import size_text
from mlops_desk.records.jobs.card import GpuCard
from mlops_desk.serving.runtimes.fit import WORKING_SHARE, files_told

_MIB = 1 << 20
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
