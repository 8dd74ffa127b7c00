"""What a monitor's windows are held against, as a profile: read once, by a worker, from the data it names."""

import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from mlops_desk.base import wire
from mlops_desk.base.errors import Hint, Invalid, NotFound
from mlops_desk.base.text import plain
from mlops_desk.drift.monitors.judging import options_of
from mlops_desk.drift.profile.form import read_profile
from mlops_desk.drift.profile.mark import is_profile
from mlops_desk.drift.profile.profile import DataProfile
from mlops_desk.records.drift import DriftOptions
from mlops_desk.records.drift.monitors import Monitor
from mlops_desk.records.drift.sources import ReferenceKind
from mlops_desk.records.serving.endpoint import Endpoint

WORKER = "mlops_desk.drift.profile.worker"
VALIDATION = ("validation", "eval", "evaluation", "test")
"""The contexts under which people log what a training did not see."""
WORKER_SECONDS = 280.0  # chosen: below the verbs' deadline; some ten million rows


class References:
    """Makes profiles. ``reference_file`` finds an endpoint's data (of some contexts), ``kinds`` its inputs.

    What is pinned or is the window before is cut into the bins of the training's data. All of them, and ``run``, may
    raise DeskError.
    """

    def __init__(
        self,
        endpoint: Callable[[str], Endpoint],
        reference_file: Callable[[Endpoint, Sequence[str] | None], Path],
        kinds: Callable[[Endpoint], Mapping[str, str | None]],
        run: Callable[[str, Mapping[str, Any], float], Any],
    ) -> None:
        self._endpoint = endpoint
        self._reference_file = reference_file
        self._kinds = kinds
        self._run = run

    def make(self, monitor: Monitor) -> DataProfile:
        """Read the data that a monitor is held against. Raises DeskError."""
        inputs: Mapping[str, str | None] = {}
        endpoint = None if monitor.endpoint is None else self._endpoint(monitor.endpoint)
        if endpoint is not None:
            inputs = self._kinds(endpoint)
        path = self._path(monitor, endpoint)
        if is_profile(path):
            return read_profile(path)
        chosen = options_of(monitor)
        options = DriftOptions(
            kinds={name: kind for name, kind in inputs.items() if kind is not None},
            features=tuple(inputs),
            columns=chosen.columns,
            targets=chosen.targets,
            predictions=chosen.predictions,
            ids=chosen.ids,
        )
        with tempfile.TemporaryDirectory(prefix="mlops-desk-reference-") as folder:
            out = Path(folder) / "reference.profile"
            request = {
                "reference": str(path),
                "out": str(out),
                "options": wire.to_builtins(options),
                "folder": folder,
            }
            self._run(WORKER, request, WORKER_SECONDS)
            return read_profile(out)

    def path(self, monitor: Monitor) -> Path:
        """Return where the data that a monitor is held against lie. Raises DeskError."""
        return self._path(monitor, None if monitor.endpoint is None else self._endpoint(monitor.endpoint))

    def _path(self, monitor: Monitor, endpoint: Endpoint | None) -> Path:
        held = monitor.reference
        if held.kind is ReferenceKind.FILE and held.path is not None:
            path = Path(held.path)
            if not path.exists():
                raise NotFound(f"The reference {plain(held.path, 1000)} is not there.", "Give the path of a file.")
            return path
        if endpoint is None:
            hint = _give_file(monitor)
            raise Invalid(f"{plain(monitor.name)} has no endpoint whose model's data could be its reference.", hint)
        contexts = VALIDATION if held.kind is ReferenceKind.VALIDATION else None
        try:
            return self._reference_file(endpoint, contexts)
        except NotFound as error:  # a comparison by hand would give it a file for once
            raise NotFound(error.message, _give_file(monitor)) from error


def _give_file(monitor: Monitor) -> Hint:
    before = "Log it while training, or name a file: "
    return Hint(f"mlops-desk drift monitors configure {monitor.name} --reference-file FILE", before=before)
