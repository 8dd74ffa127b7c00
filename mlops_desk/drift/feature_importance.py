"""Where monitors meet models: a version's columns weighed by the rows that its monitor is held against.

A worker lays out the rows, and a container has the model; what lies on the disk meanwhile is gone afterwards, or is
swept away by the next agent.
"""

import shutil
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlops_desk.drift.importance import WeighingWish
from mlops_desk.drift.model_comparison import rows_worker
from mlops_desk.drift.profile.file_format import is_profile
from mlops_desk.drift.records.importance import ComputedImportance, ImportanceMethod
from mlops_desk.drift.records.monitors import Monitor
from mlops_desk.kit.base.errors import Invalid, Unavailable
from mlops_desk.kit.base.text import plain
from mlops_desk.registry.records.model import ModelVersion
from mlops_desk.serving.experiments.version_scorer import Weighed, WeighingOrder
from mlops_desk.serving.records.endpoint import Endpoint

_SECONDS = 600.0  # chosen: 20,000 rows out of a file of gigabytes, as where two models are compared


@dataclass(frozen=True, slots=True)
class WeighingParts:
    """What is needed of the rest of the house. All of them may raise DeskError."""

    endpoint: Callable[[str], Endpoint]
    version: Callable[[str, str | None], ModelVersion]
    reference_file: Callable[[Monitor], Path]
    run: Callable[[str, Mapping[str, Any], float], Any]
    weigh: Callable[[ModelVersion, WeighingOrder, str | None], Weighed]


class MonitorWeighing:
    """``folder`` is for the rows while they are asked about."""

    def __init__(self, folder: Path, parts: WeighingParts) -> None:
        self._folder = folder
        self._parts = parts

    def sweep(self) -> None:
        """Delete what an earlier agent has left half weighed."""
        shutil.rmtree(self._folder, ignore_errors=True)

    def weigh(self, monitor: Monitor, wish: WeighingWish, ticket: str | None) -> ComputedImportance:
        """Find what a monitor's columns mean to its model. Raises DeskError."""
        version = self._version(monitor)
        data = self._parts.reference_file(monitor)
        try:
            if is_profile(data):
                text = f"The reference of {plain(monitor.name)} is a profile, which has no rows to ask a model about."
                raise Invalid(text, "Hold it against the data that the profile was made of.")
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=self._folder) as room:
                rows = Path(room) / "rows.jsonl"
                self._lay(data, wish, rows)
                order = WeighingOrder(
                    rows, wish.columns, wish.features, wish.repeats, wish.seed, wish.metric, wish.permute
                )
                found = self._parts.weigh(version, order, ticket)
        except OSError as error:
            raise Unavailable(f"The rows can't be laid out: {error}.") from error
        return _computed(found, version, wish)

    def _version(self, monitor: Monitor) -> ModelVersion:
        if monitor.endpoint is not None:
            model = self._parts.endpoint(monitor.endpoint).model
            return self._parts.version(f"{model.name}/{model.version}", model.registry)
        return self._parts.version(monitor.model or "", None)

    def _lay(self, data: Path, wish: WeighingWish, target: Path) -> None:
        request: dict[str, Any] = {
            "data": str(data), "features": [], "label": wish.label, "most": wish.rows, "target": str(target),
            "folder": str(target.parent), "unlabelled": True,
        }  # fmt: skip
        self._parts.run(rows_worker.MODULE, request, _SECONDS)


def _computed(found: Weighed, version: ModelVersion, wish: WeighingWish) -> ComputedImportance:
    told = found.told
    is_permuted = told.method is ImportanceMethod.PERMUTATION
    return ComputedImportance(
        method=told.method,
        columns=dict(zip(found.columns, told.weights, strict=True)),
        model=f"{version.name}/{version.version}",
        at=time.time(),
        n_rows=found.n_rows,
        metric=told.metric,
        baseline=told.baseline,
        n_repeats=wish.repeats if is_permuted else None,
        seed=wish.seed if is_permuted else None,
        why=told.why,
    )
