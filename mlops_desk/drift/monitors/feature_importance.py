"""The verb by which a monitor's columns are weighed, which the service of monitors has from here.

Nothing weighs by itself: a permutation asks the model a hundred times over, and an image may have to be built before,
on a machine where other people's trainings run. A person decides when that is worth it.
"""

from abc import ABC, abstractmethod
from contextlib import AbstractContextManager, suppress
from dataclasses import replace
from shlex import quote

from mlops_desk.drift.importance import weights_of, wish_of
from mlops_desk.drift.monitors.ports import MonitorHouse
from mlops_desk.drift.monitors.repository import MonitorBook
from mlops_desk.drift.records.importance import ComputedImportance
from mlops_desk.drift.records.monitors import Monitor, MonitorStanding
from mlops_desk.kit.base.errors import Hint, NotFound, Refused, TimedOut
from mlops_desk.kit.base.text import plain

_MORE_WAITS = 3  # chosen: ten minutes with the first, for looks that are slow must not lose what took an hour


class ImportanceVerbs(ABC):
    """Stands on what the service has made."""

    _book: MonitorBook
    _house: MonitorHouse

    @abstractmethod
    def _held(self) -> AbstractContextManager[None]:
        """Keep everybody else from changing monitors. Raises TimedOut."""

    @abstractmethod
    def _announce(self, monitor: Monitor) -> MonitorStanding:
        """Tell everybody how a monitor stands."""

    def weigh(
        self,
        name: str,
        *,
        rows: int = 2000,
        repeats: int = 5,
        seed: int = 0,
        metric: str | None = None,
        permute: bool = False,
        ticket: str | None = None,
    ) -> MonitorStanding:
        """Find what a monitor's columns mean to its model, and keep it. Raises DeskError.

        Looks go on meanwhile: nobody waits for it.
        """
        monitor = self._book.find(name)
        kept = self._house.store.reference(monitor.id)
        if kept is None:
            text = f"{plain(monitor.name)} has no reference yet, whose rows the model could be asked about."
            raise NotFound(text, _read_first(monitor))
        wish = wish_of(monitor, kept[1], rows=rows, repeats=repeats, seed=seed, metric=metric, permute=permute)
        found = self._house.weigh(monitor, wish, ticket)
        for _ in range(_MORE_WAITS):
            with suppress(TimedOut):
                return self._kept(monitor, found)
        return self._kept(monitor, found)

    def _kept(self, monitor: Monitor, found: ComputedImportance) -> MonitorStanding:
        """Keep what was found, unless it is of what is watched no more. Raises NotFound, Refused, TimedOut."""
        with self._held():
            now = self._book.find(monitor.id)
            if (now.reference, now.model, now.endpoint) != (monitor.reference, monitor.model, monitor.endpoint):
                text = f"{plain(monitor.name)} has got another model or reference while its columns were weighed."
                raise Refused(text, "Weigh them again; what was found is of the ones before.")
            now = replace(now, importance=weights_of(found), computed=found)
            self._book.put(now)
            return self._announce(now)


def _read_first(monitor: Monitor) -> Hint:
    """Say how the reference comes: the first look that finds rows reads it, a look at nothing does not."""
    return Hint(
        f"mlops-desk drift monitors check {quote(monitor.name)}",
        before="It is read at the first look that finds rows. Once there are some: ",
    )
