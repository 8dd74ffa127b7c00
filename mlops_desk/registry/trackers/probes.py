"""What the last look at each registry has found; a list is not made to wait for a look that was just taken."""

import base64
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from mlops_desk.kit.base.errors import DeskError, Hint, Refused
from mlops_desk.kit.base.failures import longer
from mlops_desk.kit.base.process import run_worker
from mlops_desk.registry.mirror.wire_format import source_written
from mlops_desk.registry.readers.source import RegistrySource
from mlops_desk.registry.records.tracker import Tracker, TrackerKind

_MODULE = "mlops_desk.registry.trackers.probe_worker"
LOOK_SECONDS = 4.0  # chosen: who lists them waits; a server that takes longer is told to be slow
_WORKER_SECONDS = 15.0  # chosen: a look's deadline, and as much again for a busy machine to start Python and libraries
_KEPT_SECONDS = 10.0  # chosen: a page that is shown asks again and again
_IDLE = 20.0
"""So many times as long as a look took, that registry is not looked at again: one page of the window asks as often as
it likes, and a server that has to list 20,000 runs to count them is kept busy for a twentieth of the time at most."""
_REFUSED_SECONDS = 300.0  # chosen: what lets nobody in goes on so until somebody acts; a page may be open all day
_UNUSED = "Nothing was recorded there yet."


@dataclass(frozen=True, slots=True)
class _Look:
    """When a look was taken (monotonic seconds) and at what, what it found, and for how long that counts."""

    at: float
    found: Mapping[str, Any]
    source: RegistrySource | None
    kept_seconds: float


def _looked(sources: Mapping[str, RegistrySource]) -> Mapping[str, Mapping[str, Any]]:
    written = {name: base64.b64encode(source_written(one)).decode("ascii") for name, one in sources.items()}
    found: Mapping[str, Mapping[str, Any]] = run_worker(
        _MODULE, {"sources": written, "seconds": LOOK_SECONDS}, _WORKER_SECONDS
    )
    return found


class Looks:
    """``look`` asks a worker; it raises DeskErrors."""

    def __init__(
        self, look: Callable[[Mapping[str, RegistrySource]], Mapping[str, Mapping[str, Any]]] = _looked
    ) -> None:
        self._look = look
        self._lock = threading.Lock()
        self._found: dict[str, _Look] = {}

    def told(
        self, trackers: Mapping[str, Tracker], source: Callable[[str], RegistrySource], *, named: bool = False
    ) -> list[Tracker]:
        """Return the trackers with what a look at each has found, in their order; ``named``: one was asked for."""
        with self._lock:
            self._renew([name for name in trackers if not self._counts(name, source, named=named)], source)
            found = {name: self._found[name].found if name in self._found else {} for name in trackers}
        return [_with_look(tracker, found[name]) for name, tracker in trackers.items()]

    def forget(self, name: str) -> None:
        with self._lock:
            self._found.pop(name, None)

    def _counts(self, name: str, source: Callable[[str], RegistrySource], *, named: bool) -> bool:
        """Tell whether the last look at a registry still counts: not where we would log in otherwise by now."""
        look = self._found.get(name)
        if look is None:
            return False
        age = time.monotonic() - look.at
        if age <= max(_KEPT_SECONDS, _IDLE * _busy_seconds(look.found)):
            return True
        try:
            return not named and age <= look.kept_seconds and source(name) == look.source
        except DeskError:
            return False

    def _renew(self, names: Sequence[str], source: Callable[[str], RegistrySource]) -> None:
        sources: dict[str, RegistrySource] = {}
        found: dict[str, Mapping[str, Any]] = {}
        for name in names:
            try:
                sources[name] = source(name)
            except DeskError as error:
                found[name] = error.told()
        unused = {name for name, one in sources.items() if one.kind is TrackerKind.OWN and not _is_there(one)}
        found |= {name: {"uncounted": _UNUSED} for name in unused}
        wanted = {name: one for name, one in sources.items() if name not in unused}
        try:
            found |= self._look(wanted) if wanted else {}
        except DeskError as error:
            found |= dict.fromkeys(wanted, error.told())
        now = time.monotonic()
        self._found |= {
            name: _Look(now, one, sources.get(name), self._kept_seconds(name, one)) for name, one in found.items()
        }

    def _kept_seconds(self, name: str, found: Mapping[str, Any]) -> float:
        """Return how long a look counts: twice as long each time that we are not let in."""
        before = self._found.get(name)
        was_refused = before is not None and before.found.get("code") == Refused.code
        if found.get("code") != Refused.code or before is None or not was_refused:
            return _KEPT_SECONDS
        return longer(before.kept_seconds, _REFUSED_SECONDS)


def _is_there(source: RegistrySource) -> bool:
    return source.path is not None and source.path.exists()


def _busy_seconds(found: Mapping[str, Any]) -> float:
    """Return how long a look kept the registry busy: one that was not over by its deadline, all that time."""
    if "via" not in found:
        return 0.0  # it can't be read: whoever mends it wants to see that soon
    return float(found.get("took_seconds", LOOK_SECONDS))


def _with_look(tracker: Tracker, found: Mapping[str, Any]) -> Tracker:
    if found.get("error"):
        return replace(tracker, problem=found["error"], hint=found.get("hint"), command=found.get("command"))
    told = replace(
        tracker,
        via=found.get("via"),
        schema=found.get("schema"),
        n_runs=found.get("n_runs"),
        n_models=found.get("n_models"),
        least_runs=found.get("least_runs"),
        least_models=found.get("least_models"),
        uncounted=found.get("uncounted"),
    )
    if tracker.kind is TrackerKind.FOLDER:
        before = "MLflow develops such folders no further, and they are slow. Into a store: "
        return replace(told, hint=Hint(f"mlops-desk registry migrate {tracker.name}", before=before))
    return told
