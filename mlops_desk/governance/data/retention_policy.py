"""What the desk deletes without being asked, and what it spares: the one place where that is decided.

Rows of logs go once they are older than both the setting and what somebody has said of their set, unless something
stands on them; lists of frozen data once so many newer ones are there. While not all could be asked who may need them,
nothing goes by its age. How large a log may become is another limit, which guards the disk, and the gateway's own.
"""

import logging
import threading
import time
from builtins import list as list_of
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from mlops_desk.governance.data.desk_files import LISTS, labels_of, requests_of
from mlops_desk.governance.data.file_deletion import delete
from mlops_desk.governance.data.retention import RetentionHouse
from mlops_desk.governance.data.retention_plan import DataHold
from mlops_desk.governance.records.data.retention import LogKeep, RetentionItem, RowsKeep
from mlops_desk.kit.base.errors import DeskError
from mlops_desk.kit.base.loop import Loop

_log = logging.getLogger(__name__)
_LOOK_SECONDS = 3600.0  # chosen: rows are kept for days, and asking has the registry read
_FILES_SECONDS = 40.0  # chosen: a disk that hangs keeps the lists, and nothing else
NEWEST_LISTS = 200  # chosen: one of a thousand files takes 150 KB; older data are told by their hash in the record
SETTING = "serving.request_log_days"


def rows_keep(
    dataset: str, least_days: float, said_days: float | None, holds: Iterable[DataHold], missing: Sequence[str]
) -> RowsKeep:
    """Return how long rows of a log are kept: the longer of setting and set, and what is held stays longer. Pure."""
    days = None if missing else max(least_days, said_days or 0.0)
    return RowsKeep(days, tuple((one.begins, one.ends) for one in holds if one.dataset == dataset))


def old_lists(
    files: Iterable[RetentionItem], said_days: float | None, holds: Sequence[DataHold], now: float
) -> list_of[RetentionItem]:
    """Return the lists of frozen data that go by themselves. Pure."""
    lists = sorted((one for one in files if one.dataset == LISTS), key=lambda one: one.ends)
    said = RowsKeep(said_days or 0.0)
    return [
        one
        for one in lists[:-NEWEST_LISTS]
        if not said.keeps(one.begins, one.ends, now) and not any(hold.holds(one) for hold in holds)
    ]


@dataclass(frozen=True, slots=True)
class KeepingHouse:
    """``least_days`` is the setting, ``said`` what people say of sets by name; ``publish`` hands it to the gateway."""

    least_days: Callable[[], float]
    said: Callable[[], Mapping[str, float | None]]
    publish: Callable[[], object]


class DataKeeping:
    """Looks once an hour who needs what; asked by whatever deletes by age."""

    def __init__(self, retention: RetentionHouse, house: KeepingHouse, loop: Loop) -> None:
        self._retention = retention
        self._house = house
        self._loop = loop
        self._lock = threading.Lock()
        self._held: tuple[Sequence[DataHold], Sequence[str]] = ((), ("Nobody has been asked yet.",))

    def start(self) -> None:
        self._loop.repeat("data-keeping", _LOOK_SECONDS, self.look)

    def of(self, endpoint: str) -> LogKeep:
        """Return how long the rows of an endpoint, which may be gone by now, are kept."""
        with self._lock:
            holds, missing = self._held
        least, said = self._house.least_days(), self._house.said()
        requests, labels = (
            rows_keep(name, least, said.get(name), holds, missing)
            for name in (requests_of(endpoint), labels_of(endpoint))
        )
        return LogKeep(requests, labels)

    def look(self) -> None:
        """Ask who needs what; tell the gateway where that has changed, and delete lists that nobody needs.

        Where nothing is there that could go nobody is asked, for that takes a registry a while.
        """
        try:
            files = self._loop.call("Looking through logs and lists", self._retention.files, _FILES_SECONDS)
        except (DeskError, OSError) as error:
            _log.warning("What is kept of data can't be looked through: %s", error)
            return
        held = self._retention.holds() if files else ((), ())
        with self._lock:
            has_changed, self._held = held != self._held, held
        if has_changed:
            self._house.publish()
        holds, missing = held
        old = [] if missing else old_lists(files, self._house.said().get(LISTS), holds, time.time())
        if not old:
            return
        try:
            done = self._loop.call("Clearing lists away", lambda: delete(self._retention.root, "", old), _FILES_SECONDS)
        except (DeskError, OSError) as error:
            _log.warning("Lists of frozen data can't be cleared away: %s", error)
            return
        for left in done.left:
            _log.info("The list %s stays: %s", left.path, left.why)
