"""Runs of pipelines as they are kept and announced. Who has worked on an older one drops what came of it."""

import threading
import time
from collections.abc import Callable
from dataclasses import replace

from mlops_desk.automation.records.ci.run import CiRun, CiState
from mlops_desk.kit.base.bus import Bus
from mlops_desk.kit.base.errors import Hint
from mlops_desk.kit.base.short_ids import LOOKED_FOR, the_one
from mlops_desk.kit.records.list_page import ListPage
from mlops_desk.kit.storage.records import StoredRecords
from mlops_desk.machine.records.event import CiChanged, Notice

_KEPT = 5000  # chosen: a year of a busy repository
_LATELY = 100  # chosen: more than are ended in the moment in which an agent is killed


class CiBook:
    """The table of runs, and the bus that hears of every change. Safe to use from several threads."""

    def __init__(self, runs: StoredRecords[CiRun], bus: Bus) -> None:
        self._runs = runs
        self._bus = bus
        self._changing = threading.RLock()
        self.news = threading.Condition()

    def add(self, run: CiRun) -> CiRun:
        """Write a new run down."""
        with self._changing:
            self._put(run)
            for state in CiState:
                if state.is_final:
                    self._runs.trim(_KEPT, state)
        return run

    def apply(self, loaded: CiRun, changed: CiRun) -> CiRun | None:
        """Store what became of a run as it was ``loaded``; None where it has changed since, and nothing is stored."""
        with self._changing:
            known = self._runs.get(loaded.id)
            if known is None or known.revision != loaded.revision:
                return None
            return self._changed(known, changed)

    def change(self, run_id: str, change: Callable[[CiRun], CiRun]) -> CiRun:
        """Change a run as it is now. Raises NotFound, and what ``change`` raises."""
        with self._changing:
            known = self.find(run_id)
            return self._changed(known, change(known))

    def _changed(self, known: CiRun, changed: CiRun) -> CiRun:
        if replace(changed, revision=known.revision) == known:
            return known
        made = replace(changed, revision=known.revision + 1)
        self._put(made)
        return made

    def get(self, run_id: str) -> CiRun | None:
        return self._runs.get(run_id)

    def find(self, run_id: str) -> CiRun:
        """Return a run by its id or the beginning of it. Raises NotFound, Invalid."""
        hint = Hint("mlops-desk ci list", after=" shows them all.")
        return the_one(run_id, self._runs.find(run_id, LOOKED_FOR) if run_id else [], noun="run", hint=hint)

    def under_way(self) -> list[CiRun]:
        """Return the runs that are not over, oldest first."""
        states = tuple(state for state in CiState if not state.is_final)
        return self._runs.list(states=states, newest_first=False)

    def over_lately(self) -> list[CiRun]:
        """Return the newest runs that are over and did not pass: of these jobs may be left."""
        states = tuple(state for state in CiState if state.is_final and state is not CiState.PASSED)
        return self._runs.list(states=states, limit=_LATELY)

    def of_origin(self, origin: str) -> CiRun | None:
        """Return the run that was begun for an origin."""
        return self._runs.newest_with("origin", origin)

    def page(self, repository: str | None, state: str | None, limit: int, cursor: str | None) -> ListPage[CiRun]:
        return self._runs.page(limit, cursor, parent=repository, states=None if state is None else (state,))

    def wait(self, run_id: str, revision: int, seconds: float) -> CiRun:
        """Return a run once it is another than at a revision, or over, or after so long. Raises NotFound."""
        until = time.monotonic() + seconds
        with self.news:
            run = self.find(run_id)
            while run.revision == revision and not run.state.is_final and time.monotonic() < until:
                self.news.wait(until - time.monotonic())
                run = self.find(run.id)
        return run

    def notice(self, level: str, run: CiRun, text: str) -> None:
        hint = Hint(f"mlops-desk ci show {run.id}")
        self._bus.publish(Notice(level, "ci", text, hint, time.time(), about=("ci", run.id)))

    def _put(self, run: CiRun) -> None:
        self._runs.put(run)
        self._bus.publish(CiChanged(run))
        with self.news:
            self.news.notify_all()
