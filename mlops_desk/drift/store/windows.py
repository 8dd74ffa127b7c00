"""The agent's store of windows: put as they are cut, added over any span of time, rolled up, and kept within limits.

One database (``windows.db``) of the agent's data folder, one row for each window: 118 rows of 50 columns are read and
added in 6 ms, and any span of a year is no more than that (measured: months, then days, hours and windows at both
ends; 411 rows, which days alone would need, took 27 ms). A file of arrays that is mapped into memory was three times as
fast, but the crash-safe bookkeeping would be our own.

All times are Unix times: windows, hours, days and months are UTC's, and no clock that is set for summer moves them. A
window belongs to the hour in which it began. Whoever is killed leaves whole windows only, and with them the cursor of
who reads the source. What is damaged is left out, counted and told in the log, never fatal.
"""

import hashlib
import logging
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Lock

from mlops_desk.drift.profile.arrays import DamageError
from mlops_desk.drift.profile.file_format import from_bytes, to_bytes
from mlops_desk.drift.profile.profile import DataProfile, Sketch
from mlops_desk.drift.profile.texts import TextSketch
from mlops_desk.drift.store.blobs import WindowBlobs
from mlops_desk.drift.store.json_blob import read_rest
from mlops_desk.drift.store.layout import WindowLayout
from mlops_desk.drift.store.rollups import WindowLimits, roll_up, within_limits
from mlops_desk.drift.store.sums import WindowSum, add_windows
from mlops_desk.kit.base.disk.private_files import make_private
from mlops_desk.kit.base.errors import Invalid, NotFound, Unavailable
from mlops_desk.kit.storage.repair import Repair
from mlops_desk.kit.storage.windows import DAY, HOUR, MONTH, OPEN, RAW, WindowPlace, WindowRow, WindowTables, period_of

_log = logging.getLogger(__name__)
FILE = "windows.db"
LEVELS = {OPEN: "open", RAW: "window", HOUR: "hour", DAY: "day", MONTH: "month"}
LIST_LIMIT = 10_000  # chosen: more windows than any chart has dots
_LAYOUTS_KNOWN = (
    32  # chosen: as many monitors are looked at in turn; a profile of 50 columns is a quarter of a megabyte
)


@dataclass(frozen=True, slots=True)
class WindowHead:
    """A window, or a roll-up (``level`` is ``hour`` or ``day``) where its windows are no longer kept.

    ``start`` and ``end`` are the Unix times of its first and its last row. ``reference_id`` is the digest of the
    profile that froze its bins: only windows of one such add up.
    """

    start: float
    end: float
    n_rows: int
    level: str = "window"
    id: int = 0
    reference_id: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class CutWindow:
    """Rows of a source as they were cut, written down by the layout of the reference."""

    start: float
    end: float
    blobs: WindowBlobs


@dataclass(frozen=True, slots=True, eq=False)
class CutProfile:
    """Rows of a source as they were cut, with the Unix times of the first and the last of them."""

    start: float
    end: float
    profile: DataProfile


@dataclass(frozen=True, slots=True, eq=False)
class NewestRows:
    """The newest rows, those of the window that still grows among them."""

    start: float
    end: float
    profile: DataProfile


class WindowStore:
    """Windows of all monitors. Every method raises Unavailable when the disk does not play along.

    ``n_damaged`` counts windows that were left out since the start because they could not be read.
    """

    def __init__(self, folder: Path, limits: Callable[[], WindowLimits] = WindowLimits) -> None:
        self._folder = folder
        self._limits = limits
        self._layouts: OrderedDict[str, WindowLayout] = OrderedDict()
        self._lock = Lock()
        self._opening = Lock()
        self._opened: WindowTables | None = None
        self._is_closed = False
        self.n_damaged = 0

    def open(self) -> None:
        """Open the database, and repair it where it is damaged; whoever asks first does so too. Raises DeskError.

        A large one is read whole for that, and one that can't be opened must not keep the agent from starting.
        """
        with self._opening:
            if self._is_closed:
                raise Unavailable("The store of windows is closed.")
            if self._opened is None:
                try:
                    make_private(self._folder)
                except OSError as error:
                    text = f"The folder of the windows, {self._folder}, can't be made: {error.strerror}."
                    raise Unavailable(text, "Free some space on the disk and check its permissions.") from error
                self._opened = WindowTables(self._folder / FILE)

    @property
    def _tables(self) -> WindowTables:
        if self._opened is None:
            self.open()
        assert self._opened is not None  # noqa: S101 - it is open now
        return self._opened

    @property
    def repair(self) -> Repair | None:
        """Return what was damaged when it was opened, and what became of it; None too before that."""
        return None if self._opened is None else self._opened.database.repair

    def close(self) -> None:
        """Close the database; what asks later raises Unavailable."""
        with self._opening:
            self._is_closed = True
            if self._opened is not None:
                self._opened.close()

    def put(self, monitor_id: str, start: float, end: float, profile: DataProfile) -> WindowHead:
        """Store one window. Raises NotFound without a reference, Invalid where the profile was not made by it."""
        digest = self._tables.reference(monitor_id)
        if digest is None:
            raise NotFound("This monitor has no reference yet: its windows have no bins.", "Make its reference first.")
        cut = CutWindow(start, end, self._layout(digest).write(profile))
        return self.keep(monitor_id, digest, [cut], None, None)[0]

    def keep(
        self,
        monitor_id: str,
        digest: str,
        windows: Sequence[CutWindow],
        growing: CutWindow | None,
        cursor: str | None,
    ) -> list[WindowHead]:
        """Store windows, the one that still grows, and how far the source was read: all of it or nothing.

        Raises Invalid where the reference is no longer the one of that digest, by which they were cut.
        """
        if digest != self._tables.reference(monitor_id):
            raise Invalid("The monitor's reference has changed meanwhile.", "The rows are read again, by the new one.")
        rows = [_row(monitor_id, RAW, digest, one) for one in windows]
        last = None if growing is None else _row(monitor_id, OPEN, digest, growing)
        ids = self._tables.keep(monitor_id, rows, last, cursor)
        return [
            WindowHead(row.start, row.end, row.n_rows, "window", number, digest)
            for number, row in zip(ids, rows, strict=True)
        ]

    def cursor(self, monitor_id: str) -> str | None:
        """Return how far the monitor's source was read, as ``keep`` was told."""
        return self._tables.cursor(monitor_id)

    def growing(self, monitor_id: str) -> CutWindow | None:
        """Return the window that is not full yet; None too where it was begun by another reference or is damaged."""
        row = self._tables.growing(monitor_id)
        if row is None or row.layout != self._tables.reference(monitor_id):
            return None
        blobs = _blobs(row)
        try:
            WindowSum(self._layout(row.layout)).add(blobs)
        except DamageError as error:
            self._note_damage(row, error)
            return None
        return CutWindow(row.start, row.end, blobs)

    def newest_profile(self, monitor_id: str, enough: Callable[[WindowHead, int], bool]) -> NewestRows | None:
        """Add the window that grows and, newest first, those before it until ``enough`` says so of the next one.

        It is asked with a window's head and the rows that there are without it. None without any row.
        """
        known = self._tables.reference(monitor_id)
        if known is None:
            return None
        growing = self.growing(monitor_id)
        total = WindowSum(self._layout(known))
        n, start, end = 0, None, None
        if growing is not None:
            total.add(growing.blobs)
            n, start, end = growing.blobs.n_rows, growing.start, growing.end
        chosen = []
        for head in reversed(self.windows(monitor_id)):
            if head.reference_id != known or enough(head, n):
                break
            chosen.append(head.id)
            n += head.n_rows
            start, end = head.start if start is None else min(start, head.start), end or head.end
        for _ in self._added(total, sorted(chosen)):
            pass
        return None if start is None or end is None else NewestRows(start, end, total.profile())

    def windows(
        self, monitor_id: str, since: float | None = None, until: float | None = None, limit: int = 1000
    ) -> list[WindowHead]:
        """List the newest windows that began from ``since`` on and before ``until``, oldest first.

        Where windows are no longer kept their hour stands for them, and where hours aren't, their day.
        """
        found = self._tables.finest(monitor_id, *_span(since, until), max(0, min(limit, LIST_LIMIT)))
        return [_head(one) for one in found]

    def merged(self, monitor_id: str, start: float, end: float) -> DataProfile:
        """Add all windows that began from ``start`` on and before ``end``, of the newest reference among them.

        Raises NotFound where there are none.
        """
        places = self._tables.covering(monitor_id, start, end)
        if not places:
            raise NotFound("No window of this monitor began in that time.", "Choose a longer span.")
        newest = max(places, key=lambda one: (one.start, one.id)).layout
        total = WindowSum(self._layout(newest))
        for _ in self._added(total, sorted(one.id for one in places if one.layout == newest)):
            pass
        return total.profile()

    def profile(self, window_id: int) -> tuple[WindowHead, DataProfile]:
        """Return one window. Raises NotFound, Invalid where it is damaged."""
        row = next(self._tables.load([window_id]), None)
        if row is None:
            raise NotFound("This window is no longer kept.", "Older windows are kept by the hour and the day.")
        head = WindowHead(row.start, row.end, row.n_rows, LEVELS.get(row.level, ""), row.id, row.layout)
        try:
            return head, add_windows(self._layout(row.layout), [_blobs(row)])
        except DamageError as error:
            self._note_damage(row, error)
            raise Invalid(f"This window is damaged: {error}.", "Look at the ones beside it.") from error

    def column(
        self, monitor_id: str, name: str, since: float | None = None, until: float | None = None, limit: int = 1000
    ) -> list[tuple[WindowHead, Sketch]]:
        """Return one column of each of ``windows``, of those that have it."""
        found: list[tuple[WindowHead, Sketch]] = []
        heads = self.windows(monitor_id, since, until, limit)
        for digest in dict.fromkeys(head.reference_id for head in heads):
            found += self._column(digest, name, [head for head in heads if head.reference_id == digest])
        return sorted(found, key=lambda one: (one[0].start, one[0].id))

    def put_reference(self, monitor_id: str, profile: DataProfile) -> str:
        """Hold the monitor's windows against a profile from now on; return its digest (SHA-256)."""
        content = to_bytes(profile)
        digest = hashlib.sha256(content).hexdigest()
        self._tables.put_reference(monitor_id, digest, content)
        return digest

    def extend(self, monitor_id: str, profile: DataProfile, growing: CutProfile | None) -> str:
        """Hold windows against a profile with more columns, all at once; ``growing`` has them too. Return its digest.

        Raises Invalid where the growing window was not made by the profile.
        """
        content = to_bytes(profile)
        digest = hashlib.sha256(content).hexdigest()
        row = None
        if growing is not None:
            cut = CutWindow(growing.start, growing.end, WindowLayout(profile).write(growing.profile))
            row = _row(monitor_id, OPEN, digest, cut)
        self._tables.extend(monitor_id, digest, content, row)
        return digest

    def reference(self, monitor_id: str) -> tuple[str, DataProfile] | None:
        """Return what the monitor's windows are held against, and its digest. Raises Invalid where it is damaged."""
        digest = self._tables.reference(monitor_id)
        return None if digest is None else (digest, self._layout(digest).reference)

    def profile_by_digest(self, digest: str) -> DataProfile:
        """Return an earlier reference, as long as a window of its is kept. Raises NotFound, Invalid."""
        return self._layout(digest).reference

    def forget(self, monitor_id: str) -> None:
        """Delete all that is kept of a monitor."""
        self._tables.forget(monitor_id)
        self._tables.drop_unused_profiles()

    def tidy(self, now: float) -> int:
        """Roll up the hours that are over, and delete what is beyond the limits; return how many rows were deleted."""
        roll_up(self._tables, self._add_rows, now)
        dropped = within_limits(self._tables, self._limits())
        self._tables.drop_unused_profiles()
        return dropped

    def size_bytes(self) -> int:
        """Return what the windows take."""
        return self._tables.size_bytes()

    def _add_rows(self, rows: Sequence[WindowRow]) -> tuple[WindowBlobs, list[WindowRow]] | None:
        """Add rows of one layout; delete damaged ones, and all where nobody knows the layout any more."""
        try:
            layout = self._layout(rows[0].layout)
        except (NotFound, Invalid) as error:
            self.n_damaged += len(rows)
            _log.warning("%d windows of %s are dropped: %s", len(rows), rows[0].monitor, error.message)
            self._tables.drop([row.id for row in rows])
            return None
        total, sound = WindowSum(layout), []
        for row in rows:
            try:
                total.add(_blobs(row))
                sound.append(row)
            except DamageError as error:
                self._note_damage(row, error)
                self._tables.drop([row.id])
        return (layout.write(total.profile()), sound) if sound else None

    def _added(self, total: WindowSum, ids: Sequence[int]) -> Iterator[WindowRow]:
        """Add windows to a sum, leaving out damaged ones."""
        for row in self._tables.load(ids):
            try:
                total.add(_blobs(row))
            except DamageError as error:
                self._note_damage(row, error)
                continue
            yield row

    def _column(self, digest: str, name: str, heads: Sequence[WindowHead]) -> list[tuple[WindowHead, Sketch]]:
        layout = self._layout(digest)
        at = next((at for at, one in enumerate(layout.reference.columns) if one.column.name == name), None)
        if at is None or layout.reference.columns[at].sketch is None:
            return []
        by_id = {head.id: head for head in heads}
        found = []
        for row in self._tables.load(list(by_id), with_segments=False):
            try:
                found.append((by_id[row.id], _sketch(layout, at, _blobs(row))))
            except DamageError as error:
                self._note_damage(row, error)
        return found

    def _layout(self, digest: str) -> WindowLayout:
        with self._lock:
            known = self._layouts.get(digest)
            if known is not None:
                self._layouts.move_to_end(digest)
                return known
        content = self._tables.profile(digest)
        if content is None:
            raise NotFound("The reference of these windows is no longer kept.", "Make it again, by the same data.")
        made = WindowLayout(from_bytes(content, "The stored reference"))
        with self._lock:
            self._layouts[digest] = made
            while len(self._layouts) > _LAYOUTS_KNOWN:
                self._layouts.popitem(last=False)
        return made

    def _note_damage(self, row: WindowRow, error: DamageError) -> None:
        self.n_damaged += 1
        _log.warning("A window of %s (%s) is damaged and left out: %s", row.monitor, LEVELS.get(row.level), error)


def _sketch(layout: WindowLayout, at: int, blobs: WindowBlobs) -> Sketch:
    """Read one column of a window. Raises DamageError."""
    column = layout.reference.columns[at]
    if not layout.has_numbers(column.column.name):
        found = read_rest(blobs.rest).categories.get(at)
        if found is None:
            raise DamageError("its categories are of another layout")
        return found
    numbers = layout.numbers(blobs, column.column.name)
    if not isinstance(column.sketch, TextSketch):
        return numbers
    return TextSketch(numbers, read_rest(blobs.rest).samples.get(at, ()))


def _row(monitor: str, level: int, digest: str, one: CutWindow) -> WindowRow:
    if not one.start <= one.end:
        raise Invalid(f"A window can't end before it begins: {one.start}, {one.end}.")
    period, blobs = period_of(HOUR, one.start), one.blobs
    return WindowRow(
        monitor, level, period, digest, one.start, one.end, blobs.n_rows, blobs.facts, blobs.rest, blobs.bins,
        blobs.segments,
    )  # fmt: skip


def _blobs(row: WindowRow) -> WindowBlobs:
    return WindowBlobs(row.n_rows, row.facts, row.bins, row.rest, row.segments)


def _head(one: WindowPlace) -> WindowHead:
    return WindowHead(one.start, one.end, one.n_rows, LEVELS.get(one.level, ""), one.id, one.layout)


def _span(since: float | None, until: float | None) -> tuple[float, float]:
    return float("-inf") if since is None else since, float("inf") if until is None else until
