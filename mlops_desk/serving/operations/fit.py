"""The verb that tells whether a version fits before it is placed, by what its files have and what is free now."""

from abc import ABC
from collections.abc import Callable

from mlops_desk.kit.base.errors import DeskError
from mlops_desk.kit.base.text import plain
from mlops_desk.registry.records.model import ModelVersion
from mlops_desk.serving.launch import Trial
from mlops_desk.serving.records.model_fit import ModelFit
from mlops_desk.serving.replicas import check_gpus
from mlops_desk.serving.runtimes.files import FilesTold
from mlops_desk.serving.runtimes.fit import GpuFit, overhead_bytes
from mlops_desk.serving.runtimes.gpus import ReplicaGpus

Weigh = Callable[[ModelVersion], FilesTold]
"""Returns what is known of a version's files without bringing them here. Raises DeskError."""


class FitVerbs(ABC):
    """Stands on what the service has made."""

    _trial: Trial
    _replica_gpus: ReplicaGpus
    _resolve: Callable[[str], ModelVersion]
    _weigh: Weigh

    def fit(self, model: str, gpus: int | None = None) -> ModelFit:
        """Tell whether a version fits; raises Invalid, NotFound, Unavailable."""
        version, count = self._resolve(model), check_gpus(gpus) or 0
        try:
            told = self._weigh(version)
        except DeskError as error:
            return _unknown(version, count, f"Whether it fits is not known: {error.message}")
        size_bytes = told.size_bytes
        if size_bytes is None:
            return _unknown(version, count, "Whether it fits is not known: the registry does not tell its size.")
        name, number = version.name, version.version
        if not count:
            fit = self._trial.fit(size_bytes)
            return ModelFit(name, number, 0, size_bytes, fit.can_be, f"It {fit.text()}.")
        wanted = GpuFit(size_bytes, overhead_bytes(told.flavors), count)
        chosen, text = self._replica_gpus.look(wanted)
        indices = tuple(card.index for card in chosen or ())
        return ModelFit(name, number, count, size_bytes, chosen is not None, text, indices)


def not_weighed(_version: ModelVersion) -> FilesTold:
    """Tell nothing: this desk has no registry to ask."""
    return FilesTold()


def _unknown(version: ModelVersion, count: int, text: str) -> ModelFit:
    return ModelFit(version.name, version.version, count, None, None, plain(text))
