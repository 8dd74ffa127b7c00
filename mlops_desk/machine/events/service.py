"""The event log's verbs, and what writes it: the collector's events, GPUs' states, jobs, alerts, the agent itself.

Who announces never waits: a lane of its own folds, stores, asks the flight recorder and tells. A disk that can't be
written leaves entries in memory until it can.
"""

import json
import logging
import time
import uuid
from builtins import list as list_of
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from threading import Event, Lock
from typing import Any

from mlops_desk import __version__
from mlops_desk.jobs.records.job import Job
from mlops_desk.kit.base.bus import Bus
from mlops_desk.kit.base.cursor import Position, cursor_of, position_of
from mlops_desk.kit.base.disk.files import write_atomically
from mlops_desk.kit.base.errors import DeskError, Hint, Invalid, NotFound
from mlops_desk.kit.base.loop import Lane, Loop
from mlops_desk.kit.base.short_ids import LOOKED_FOR, the_one
from mlops_desk.kit.base.text import plain
from mlops_desk.kit.records.list_page import ListPage
from mlops_desk.kit.storage.records import StoredRecords
from mlops_desk.kit.verbs.declaration import MOST_ON_A_PAGE, check_limit
from mlops_desk.machine.events import drafts
from mlops_desk.machine.events.deduplication import ENDED_UNSEEN, Folding, goes_on
from mlops_desk.machine.events.drafts import Draft, ProcessOwner
from mlops_desk.machine.events.gpu_watch import Ended, GpuWatch
from mlops_desk.machine.events.oom_kills import Kills, Outlets
from mlops_desk.machine.records.alert import Alert
from mlops_desk.machine.records.event import IncidentLogged, JobChanged, Notice
from mlops_desk.machine.records.gpu import Gpu
from mlops_desk.machine.records.history import Curves
from mlops_desk.machine.records.incident import Absence, DeviceEvent, GpuUse, Incident
from mlops_desk.machine.records.status import Status


# Pages of the event log where a part of it is not written yet.
def merged(
    stored: ListPage[Incident], unsaved: Mapping[str, Incident], limit: int, cursor: str | None
) -> ListPage[Incident]:
    """Return the page after ``cursor``: what the table has there, and what of the ``unsaved`` belongs between.

    An entry stands where it last happened; what the table still has at an earlier place is left out.
    """
    after = None if cursor is None else position_of(cursor)
    ends = None if stored.next is None else position_of(stored.next)
    known = [incident for incident in stored.items if incident.id not in unsaved]
    known += [incident for incident in unsaved.values() if after is None or _position(incident) < after]
    page = sorted((one for one in known if ends is None or _position(one) >= ends), key=_position, reverse=True)
    if len(page) > limit:
        return ListPage(tuple(page[:limit]), cursor_of(_position(page[limit - 1])))
    return ListPage(tuple(page), stored.next)


def _position(incident: Incident) -> Position:
    return Position(incident.last_at or incident.at, incident.id)


_log = logging.getLogger(__name__)

KEPT = 10_000  # chosen: months of an ordinary machine, days of one that reports an error a minute
LEVELS = ("info", "warning", "alert")
_TRIM_EVERY = 200  # chosen: a trim costs a scan, so it does not follow each event
_WRITE_SECONDS = 2.0  # chosen: an error that repeats every second is one row, and rewriting it costs the disk a sync
_OWNERS_SECONDS = 120.0  # the kernel's log may tell of a process that is gone for a minute
_OWNERS_LOOK_SECONDS = 5.0  # chosen: a process that lives shorter is rarely whom an error is about
_OWNERS_LIMIT = 5000  # chosen: processes on GPUs within two minutes, a fork bomb's too
_UNSAVED_LIMIT = 1000  # chosen: what a full disk keeps from being written
_REMEMBERED = 500  # chosen: what a restart of the agent has to find again
_FACTS_LIMIT_BYTES = 4096  # it has three short facts; what is longer is not ours
_LOGGED = {"telemetry", "storage", "audit"}


@dataclass(frozen=True, slots=True)
class EventParts:
    """What the log needs from the rest of the house.

    ``keep`` asks the flight recorder to keep the minutes around a Unix time under an incident's id, ``read`` gives
    them back; ``busy_ratio`` tells for a span how busy each GPU was, ``jobs_ended`` how many jobs ended since a time,
    by outcome. ``device`` tells which device a person means, and ``gpus`` which there are now; ``container_name`` and
    ``container_job`` name the container of an engine's id and its job, or None. All may raise DeskError but these two.
    """

    keep: Callable[[str, float], object]
    read: Callable[[str, str | None], Curves]
    busy_ratio: Callable[[float, float], Mapping[str, float]]
    jobs_ended: Callable[[float], Mapping[str, int]]
    device: Callable[[str], str] = str
    gpus: Callable[[], Sequence[Gpu]] = tuple
    container_name: Callable[[str], str | None] = lambda _: None
    container_job: Callable[[str], str | None] = lambda _: None


class EventsService:
    """Implements ``verbs.Events``. ``facts`` is the file that outlives the agent: driver version, clean end or not."""

    def __init__(self, facts: Path, table: StoredRecords[Incident], bus: Bus, loop: Loop, parts: EventParts) -> None:
        self._facts_file = facts
        self._table = table
        self._bus = bus
        self._loop = loop
        self._parts = parts
        self._folding = Folding()
        self._watch = GpuWatch()
        self._kills = Kills(Outlets(parts.container_name, parts.container_job, self._since, self._store, self._join))
        self._owners: dict[int, tuple[ProcessOwner, float]] = {}
        self._users: dict[str, tuple[tuple[ProcessOwner, ...], float]] = {}
        self._owners_at = -_OWNERS_LOOK_SECONDS
        self._facts: dict[str, Any] = {}
        self._facts_lock = Lock()
        self._ended = False
        self._unsaved: dict[str, Incident] = {}
        self._untold: set[str] = set()
        self._rest_waits = False
        self._written_at: dict[str, float] = {}
        self._new = 0
        self._complained = False
        self._lane: Lane | None = None
        self._unsubscribe: list_of[Callable[[], None]] = []

    def start(self) -> None:
        """Take up what the last agent left, and listen."""
        self._facts = _read_facts(self._facts_file)
        clean = not self._facts.get("running", False)
        self._lane = Lane(self._loop, "events")
        self._lane.put(lambda: self._take_up(clean=clean))
        self._unsubscribe = [
            self._bus.subscribe(JobChanged, lambda event: self._on_job(event.job)),
            self._bus.subscribe(Notice, self._on_notice),
        ]

    def stop(self) -> None:
        """Stop listening, and leave word that the end was clean."""
        for unsubscribe in self._unsubscribe:
            unsubscribe()
        self._tell_what_waits()
        self._save_facts(running=False)

    def list(
        self, since: float | None = None, level: str | None = None, device: str | None = None, limit: int = 200
    ) -> list_of[Incident]:
        """Return the newest entries, of at least ``level``; what still happened after ``since`` is among them.

        ``device`` is named as people do it (gpu0). Raises Invalid, and NotFound for a device that nobody knows.
        """
        if not 1 <= limit <= KEPT:
            raise Invalid(f"{limit} is not between 1 and {KEPT}.")
        levels, device = _least(level), self._device(device)
        stored = self._table.list(states=levels, parent=device, since=since, limit=limit)
        unsaved = self._unsaved_of(since, levels, device)
        merged = {**{incident.id: incident for incident in stored}, **unsaved}
        return sorted(merged.values(), key=lambda incident: -incident.at)[:limit]

    def page(
        self,
        since: float | None = None,
        level: str | None = None,
        device: str | None = None,
        limit: int = 100,
        cursor: str | None = None,
    ) -> ListPage[Incident]:
        """Return a page of the entries, by when they last happened; what happens again meanwhile is not told twice.

        Raises as ``list`` does.
        """
        levels, device = _least(level), self._device(device)
        stored = self._table.page(check_limit(limit, MOST_ON_A_PAGE), cursor, states=levels, parent=device, since=since)
        return merged(stored, self._unsaved_of(since, levels, device), limit, cursor)

    def _unsaved_of(self, since: float | None, levels: Sequence[str] | None, device: str | None) -> dict[str, Incident]:
        """Return the entries that are not written yet, or stand otherwise in the database, by id."""
        return {
            incident.id: incident
            for incident in self._unsaved.copy().values()
            if (levels is None or incident.level in levels)
            and (device is None or incident.device == device)
            and (since is None or (incident.last_at or incident.at) >= since)
        }

    def show(self, incident_id: str) -> Incident:
        """Return one entry. Raises NotFound, or Invalid for a beginning that several share."""
        unsaved = self._unsaved.get(incident_id)
        if unsaved is not None:
            return unsaved
        found = self._table.find(incident_id, LOOKED_FOR)
        return the_one(incident_id, found, noun="event", hint=Hint("mlops-desk events", after=" lists them."))

    def recording(self, incident_id: str, device: str | None = None) -> Curves:
        """Return what the flight recorder kept around an entry."""
        incident = self.show(incident_id)
        if not incident.recorded:
            text = f"Nothing was recorded around '{incident.title}'."
            raise NotFound(text, "Recorded are errors of GPUs, out-of-memory kills and throttling.")
        return self._parts.read(incident.id, self._device(device))

    def _device(self, given: str | None) -> str | None:
        """Return the device a person means: as the log has it, which remembers what is gone, or as the curves do."""
        if given is None or any(each.device == given for each in self._unsaved.copy().values()):
            return given
        return given if given and self._table.list(parent=given, limit=1) else self._parts.device(given)

    def absence(self, since: float) -> Absence:
        """Return what happened since a moment; what can't be told is left out."""
        until = time.time()
        if not 0 <= since <= until:
            raise Invalid("That moment is not in the past.")
        levels = ("warning", "alert")
        found = tuple(self._table.list(states=levels, since=since, limit=KEPT))
        try:
            busy = self._parts.busy_ratio(since, until)
        except DeskError as error:
            _log.info("How busy the GPUs were is not known: %s", error.message)
            busy = {}
        gpus = tuple(GpuUse(gpu.uuid, gpu.index, gpu.name, busy.get(gpu.uuid)) for gpu in self._parts.gpus())
        return Absence(since, until, found, busy, self._parts.jobs_ended(since), gpus)

    def take(self, events: tuple[DeviceEvent, ...], status: Status) -> None:
        """Look at a new sample; called by who samples, so nothing here waits."""
        now, at = time.monotonic(), time.time()
        if events or now - self._owners_at >= _OWNERS_LOOK_SECONDS:
            self._remember_owners(status, now)
        gpus = {gpu.uuid: gpu for gpu in status.gpus}
        for event in (drafts.located(event, status.gpus) for event in events):
            if event.kind == "oom":
                self._on_lane(partial(self._kills.heard, event, now))
                continue
            owner = self._owners.get(event.pid) if event.pid is not None else None
            gpu, (users, _) = gpus.get(event.device or ""), self._users.get(event.device or "", ((), 0.0))
            self._put(drafts.of_event(event, gpu, owner[0] if owner else None, users))
        for found in self._watch.step(status.gpus, now, at):
            if isinstance(found, Ended):
                self._end(found.incident, at)
            else:
                self._put(found)
        self._look_at_driver(status.driver_version, at)
        if self._kills.waits:
            self._on_lane(partial(self._kills.look, now))
        if self._unsaved and not self._rest_waits and self._lane is not None:
            self._rest_waits = True
            self._lane.put(self._save_rest)

    def log_alert(self, alert: Alert) -> None:
        """Log that an alert fires or has ended."""
        draft = drafts.of_alert(alert)
        if alert.ended_at is None:
            self._put(draft)
        else:
            self._end(draft.incident, alert.ended_at)

    # -- sources -----------------------------------------------------------------------------

    def _on_job(self, job: Job) -> None:
        if job.state.is_final and job.reason is not None:
            self._on_lane(partial(self._kills.ended, job, time.time()))
        elif (draft := drafts.of_job(job, time.time())) is not None:
            self._put(draft)

    def _on_notice(self, notice: Notice) -> None:
        # What is said of a single GPU is logged from its state.
        of_the_machine = notice.source in _LOGGED and (notice.about is None or notice.about[0] != "gpu")
        if of_the_machine or notice.source == "gpus":
            self._put(drafts.of_notice(notice, time.time()))

    def _look_at_driver(self, version: str | None, at: float) -> None:
        known = self._facts.get("driver_version")
        if version is None or version == known or self._lane is None:
            return
        self._facts["driver_version"] = version
        if known is not None:
            self._put(drafts.of_driver(str(known), version, at))
        self._lane.put(lambda: self._save_facts(running=True))

    def _remember_owners(self, status: Status, now: float) -> None:
        """Remember who is on the GPUs for a while: an error is often told when its process is gone."""
        self._owners_at = now
        fresh = {
            gpu.uuid: tuple(ProcessOwner(item, drafts.job_of(item, gpu.lease)) for item in gpu.processes)
            for gpu in status.gpus
        }
        for device, users in fresh.items():
            if users or now - self._users.get(device, ((), now))[1] > _OWNERS_SECONDS:
                self._users[device] = users, now
        kept = {pid: known for pid, known in self._owners.items() if now - known[1] <= _OWNERS_SECONDS}
        kept |= {user.process.pid: (user, now) for users in fresh.values() for user in users}
        self._owners = dict([*kept.items()][-_OWNERS_LIMIT:])

    # -- the lane ----------------------------------------------------------------------------

    def _put(self, draft: Draft) -> None:
        self._on_lane(partial(self._store, draft))

    def _end(self, incident: Incident, at: float) -> None:
        self._on_lane(partial(self._store_end, incident, at))

    def _on_lane(self, work: Callable[[], None]) -> None:
        if self._lane is not None:
            self._lane.put(work)

    def _take_up(self, *, clean: bool) -> None:
        now = time.time()
        known = self._table.list(limit=KEPT)
        known = [*known[:_REMEMBERED], *filter(goes_on, known[_REMEMBERED:])]  # what goes on may have begun long ago
        for incident in reversed(known):
            if goes_on(incident) and incident.kind != "alert":
                text = "It ended while no agent looked, or is told again."
                incident = replace(incident, ended_at=now, details={**incident.details, ENDED_UNSEEN: text})  # noqa: PLW2901 - the record as it is from here on
                self._save(incident, time.monotonic())
            self._folding.replace(incident)
        self._store(drafts.of_start(now, clean=clean, version=__version__))
        self._save_facts(running=True)
        self._table.trim(KEPT)

    def _store(self, draft: Draft) -> None:
        before = self._folding.of(draft.incident)
        incident, is_new = self._folding.take(draft.incident, uuid.uuid4().hex)
        if incident is before or (not is_new and draft.incident.id):
            return
        now = time.monotonic()
        if is_new:
            if self._known(incident):
                return
            incident = self._recorded(incident) if draft.record else incident
            self._new += 1
        elif not incident.lasting and now - self._written_at.get(incident.id, 0.0) < _WRITE_SECONDS:
            self._unsaved[incident.id] = incident  # a storm: told and written at its own pace
            self._untold.add(incident.id)
            return
        self._announce(incident, now)
        if is_new and self._new % _TRIM_EVERY == 0:
            self._table.trim(KEPT)

    def _tell_what_waits(self) -> None:
        """Log kills that wait for their names, in the lane while there is one."""
        if self._lane is None or self._loop.ending.is_set():
            self._kills.flush()
            return
        done = Event()
        self._lane.put(self._kills.flush)
        self._lane.put(done.set)
        done.wait(_WRITE_SECONDS)

    def _since(self, at: float) -> list_of[Incident]:
        """Return what happened since a Unix time; of a disk that can't be read, what is in memory."""
        try:
            return self.list(since=max(0.0, at), limit=_REMEMBERED)
        except DeskError as error:
            _log.warning("The event log can't be read: %s", error.message)
            return [*self._unsaved.copy().values()]

    def _join(self, incident: Incident) -> None:
        """Write and tell an entry of which more is known now."""
        self._folding.replace(incident)
        self._announce(incident, time.monotonic())

    def _known(self, incident: Incident) -> bool:
        """Tell whether an incident that names itself was logged before, by whichever agent."""
        return incident.id.startswith(("oom-", "orphan-")) and self._table.get(incident.id) is not None

    def _store_end(self, incident: Incident, at: float) -> None:
        ended = self._folding.end(incident, at)
        if ended is not None:
            self._announce(ended, time.monotonic())

    def _recorded(self, incident: Incident) -> Incident:
        try:
            self._parts.keep(incident.id, incident.at)
        except DeskError as error:
            _log.warning("The minutes around %s are not kept: %s", incident.title, error.message)
            return incident
        recorded = replace(incident, recorded=True)
        self._folding.replace(recorded)
        return recorded

    def _announce(self, incident: Incident, now: float) -> None:
        self._save(incident, now)
        self._untold.discard(incident.id)
        self._bus.publish(IncidentLogged(incident))

    def _save(self, incident: Incident, now: float) -> bool:
        """Write an entry, or keep it in memory while that can't be done; tell whether it is written."""
        self._written_at[incident.id] = now
        if len(self._written_at) > _UNSAVED_LIMIT:
            self._written_at = {key: at for key, at in self._written_at.items() if now - at < _WRITE_SECONDS}
        try:
            self._table.put(incident)
        except DeskError as error:
            if not self._complained:
                _log.warning("The event log can't be written; it is kept in memory: %s", error.message)
            self._complained = True
            self._unsaved[incident.id] = incident
            while len(self._unsaved) > _UNSAVED_LIMIT:
                dropped = next(iter(self._unsaved))
                self._unsaved.pop(dropped)
                self._untold.discard(dropped)
            return False
        self._complained = False
        self._unsaved.pop(incident.id, None)
        return True

    def _save_rest(self) -> None:
        """Write what could not be written yet, and tell what a storm has grown to; no entry is told twice."""
        self._rest_waits = False
        now, works = time.monotonic(), True
        for incident in [*self._unsaved.values()]:
            if now - self._written_at.get(incident.id, 0.0) < _WRITE_SECONDS:
                continue
            if incident.id in self._untold:
                self._announce(incident, now)
            elif works:  # the disk is asked for the others only while it plays along
                works = self._save(incident, now)

    def _save_facts(self, *, running: bool) -> None:
        """Leave word for the next agent; the word that it ended well is the last one, whatever the lane still does."""
        with self._facts_lock:
            if self._ended:
                return
            self._ended = not running
            facts = {**self._facts, "running": running}
            try:
                write_atomically(self._facts_file, json.dumps(facts).encode())
            except OSError as error:
                _log.warning("%s can't be written: %s", self._facts_file, error.strerror)


def _least(level: str | None) -> tuple[str, ...] | None:
    """Return the levels from ``level`` on. Raises Invalid."""
    if level is not None and level not in LEVELS:
        raise Invalid(f"{plain(level)!r} is no level.", f"One of {', '.join(LEVELS)}.")
    return LEVELS[LEVELS.index(level) :] if level else None


def _read_facts(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            facts = json.loads(file.read(_FACTS_LIMIT_BYTES))
    except (OSError, ValueError, RecursionError):
        return {}
    return facts if isinstance(facts, dict) else {}
