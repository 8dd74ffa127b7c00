"""Takes runs of another tracker over into an MLflow registry: in a worker, which reads the one and writes the other."""

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from mlops_desk.kit.base import wire
from mlops_desk.kit.base.errors import Hint, Invalid, Refused
from mlops_desk.kit.base.process import run_worker
from mlops_desk.registry.readers.source import RegistrySource
from mlops_desk.registry.records.tracker import FOREIGN
from mlops_desk.registry.records.transfer import ImportedRuns

_WORKER = "mlops_desk.registry.mlflow.import_worker"
IMPORT_SECONDS = 1800.0
"""Chosen: a million points at a thousand in 100 ms are two minutes, on a store that is in use some times that."""


class ImportTarget(Protocol):
    """Where MLflow registries are reached; as ``Registries``."""

    def place(self, uri: str | None) -> tuple[str, Mapping[str, str | None]]:
        """Return the tracking URI, and the environment that logs in there. Raises DeskErrors."""
        ...


class RunImports:
    """``source`` tells what an address or kept name means, ``environment`` is what the worker gets besides."""

    def __init__(
        self, source: Callable[[str | None], RegistrySource], target: ImportTarget, environment: Mapping[str, str]
    ) -> None:
        self._source = source
        self._target = target
        self._environment = environment

    def take_over(self, uri: str, to: str | None, experiment: str | None, runs: Sequence[str]) -> ImportedRuns:
        """Import runs (none named: all). Raises DeskErrors; what was written until then is left, and found again."""
        source = self._source(uri)
        if source.kind not in FOREIGN or source.path is None:
            hint = Hint("mlops-desk registry import FILE", before="A version of a model from MLflow: export it, and ")
            raise Refused(f"{source.shown} is not another tracker's: runs are imported from those alone.", hint)
        if experiment is not None and not experiment.strip():
            raise Invalid("The experiment needs a name.", "Leave --experiment out to keep the tracker's own.")
        address, login = self._target.place(to)
        request = {
            "kind": source.kind.value,
            "path": str(source.path),
            "uri": address,
            "environment": login,
            "experiment": experiment,
            "runs": list(runs),
        }
        answer = run_worker(_WORKER, request, IMPORT_SECONDS, self._environment)
        imported: ImportedRuns = wire.convert(answer, ImportedRuns, strict=False)
        return imported
