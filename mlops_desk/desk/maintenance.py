"""Looks after what is stored: a backup each hour, the reserve for a full disk, and what is damaged or lost is told."""

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from mlops_desk.jobs.records.job import JobState
from mlops_desk.jobs.run.lost_jobs import NotedJob, NotedJobs, ToldJobs, without_record
from mlops_desk.kit.base.disk.paths import DataFolder
from mlops_desk.kit.base.disk.reserve import Reserve
from mlops_desk.kit.base.disk.scratch import sweep_scratch
from mlops_desk.kit.base.errors import DeskError, Hint
from mlops_desk.kit.base.loop import Loop
from mlops_desk.kit.base.settings import SettingsStore
from mlops_desk.kit.base.text import plain
from mlops_desk.kit.records.agent import Check
from mlops_desk.kit.storage.backups import HOURLY
from mlops_desk.kit.storage.state import State
from mlops_desk.machine.records.event import Notice

_log = logging.getLogger(__name__)

SOURCE = "storage"
BACKUP_SECONDS = 3600.0  # chosen: what a person would mind to lose
_LOOK_SECONDS = 300.0  # chosen: room on a disk is lost in minutes
_NOTE_SECONDS = 10.0  # chosen: a job that was just submitted is noted before anybody has turned away
_UNFINISHED = tuple(state.value for state in JobState if not state.is_final)
_NAMED = 3  # chosen: as many as stand in one line
_STATE = ("file", "state")
_RESTORE = Hint("mlops-desk agent restore --list")
_SETTINGS = Hint("mlops-desk settings list")
_FORGET = Hint("mlops-desk jobs forget JOB", after=" puts the folder aside of one that is not missed.")


@dataclass(frozen=True, slots=True)
class Damage:
    """What is damaged or lost, and what to do about it; ``lost_jobs`` are those that have no record any more."""

    about: tuple[str, str]
    text: str
    hint: str
    lost_jobs: tuple[str, ...] = ()


class Upkeep:
    """``notify`` tells people; a simulated desk, which forgets everything at its end, keeps neither."""

    def __init__(
        self,
        folder: DataFolder,
        state: State,
        settings: SettingsStore,
        notify: Callable[[Notice], None],
        *,
        simulated: bool,
    ) -> None:
        self._state = state
        self._settings = settings
        self._notify = notify
        self._simulated = simulated
        self._reserve = Reserve(folder.root)
        self._given_up = False
        # What has just begun is no backup to fall back on: the first one waits for its hour.
        self._backed_up_at = time.monotonic() if state.is_new else None
        self._backed_up_changes = -1
        self._noted_changes = -1
        self._failed: str | None = None
        self._told: set[str] = set()
        self._jobs = folder.jobs
        self._lost_jobs = [] if simulated else without_record(folder.jobs, state.jobs.keys())
        self._told_jobs = ToldJobs(folder.root)
        self._noted_jobs = NotedJobs(folder.root)
        self._gone_jobs = [] if simulated else self._noted_jobs.lost(state.jobs.keys(), time.time())

    def start(self, loop: Loop) -> None:
        """Tell what is damaged or lost, and begin to look after the rest."""
        self._tell()
        if not self._simulated:
            began = time.time()
            loop.start("scratch", lambda: _sweep(began))
            loop.repeat("upkeep", _LOOK_SECONDS, self.turn)
            loop.repeat("scratch again", BACKUP_SECONDS, lambda: _sweep(time.time() - BACKUP_SECONDS))
            loop.repeat("unfinished jobs", _NOTE_SECONDS, self.note_jobs)

    def make_room(self) -> bool:
        """Give up the reserve for what must be written; tell whether that made room."""
        if self._reserve.give_up():
            _log.warning("The disk is full: the reserve was given up, so that the outcomes of jobs can be written")
            self._given_up = True
        return self._given_up

    def turn(self) -> None:
        """Do what is due."""
        if self._reserve.keep():
            self._given_up = False
        if self._is_backup_due(time.time()):
            self._back_up()
        self._find_again()
        self._tell()

    def note_jobs(self) -> None:
        """Note the jobs that are unfinished, where somebody who empties their database leaves them to be missed."""
        changes = self._state.changes
        if changes != self._noted_changes:
            unfinished = self._state.jobs.list(states=_UNFINISHED, newest_first=False)
            self._noted_jobs.note(unfinished, self._gone_jobs)
            self._noted_changes = changes

    def _find_again(self) -> None:
        """Leave out the lost jobs that have a record by now, made anew from their containers."""
        if self._gone_jobs:
            known = self._state.jobs.keys()
            self._gone_jobs = [job for job in self._gone_jobs if job.id not in known]
        if self._lost_jobs:
            known = self._state.jobs.keys()
            self._lost_jobs = [job for job in self._lost_jobs if job not in known]

    def note(self) -> str | None:
        """Say what a person must know of at any time."""
        found = [trouble.text for trouble in self._troubles()]
        return " ".join(found) if found else None

    def checks(self) -> dict[str, Callable[[], Check]]:
        """Return the doctor's checks of what is stored."""
        return {"records": self.check_records, "backups": self.check_backups, "disk reserve": self.check_reserve}

    def check_records(self) -> Check:
        """Tell whether every record is there and can be read."""
        troubles = self._troubles()
        if not troubles:
            return Check("records", "ok", "every record can be read")
        return Check("records", "problem", " ".join(trouble.text for trouble in troubles), troubles[0].hint)

    def check_backups(self) -> Check:
        """Tell when the newest backup was made."""
        if self._simulated:
            return Check("backups", "ok", "a simulated desk keeps none")
        made = self._state.backups()
        newest = (
            f"{len(made)} of the state database, the newest {made[0].name}"
            if made
            else "none yet; one is made each hour"
        )
        if self._failed is not None:
            return Check("backups", "warning", f"{newest}. {self._failed}")
        return Check("backups", "ok", newest)

    def check_reserve(self) -> Check:
        """Tell whether outcomes of jobs can be written on a full disk."""
        if self._simulated or self._reserve.is_kept:
            return Check("disk reserve", "ok", "64 MiB are kept to write the outcomes of jobs when the disk is full")
        why = "was given up for outcomes of jobs, the disk was full" if self._given_up else "is not there"
        return Check("disk reserve", "warning", f"the reserve for a full disk {why}; it is made once 192 MiB are free")

    def _troubles(self) -> list[Damage]:
        found: list[Damage] = []
        if self._state.repair is not None:
            found.append(Damage(_STATE, self._state.repair.told("The state database"), _RESTORE))
        lost = tuple(job for job in self._lost_jobs if (self._jobs / job).is_dir())  # and not put aside meanwhile
        if lost:
            text = _lost_text(lost, is_new=self._state.is_new)
            found.append(Damage(_STATE, text, _RESTORE, lost))
        if gone := [job for job in self._gone_jobs if job.id not in lost]:
            found.append(Damage(_STATE, _gone_text(gone), _RESTORE))
        if unreadable := self._state.unreadable():
            names = _some([plain(name, 60) for name in unreadable])
            text = f"{_count(len(unreadable), 'record')} damaged and left out: {names}."
            found.append(Damage(_STATE, f"{text} Copies lie in the folder unreadable.", _RESTORE))
        if (note := self._settings.note) is not None:
            found.append(Damage(("file", "settings"), note, _SETTINGS))
        return found

    def _tell(self) -> None:
        """Tell each trouble once; lost jobs stay lost, so they are told at a later start only when there are others."""
        for trouble in self._troubles():
            if trouble.text not in self._told:
                self._told.add(trouble.text)
                if not trouble.lost_jobs or self._told_jobs.add(trouble.lost_jobs):
                    notice = Notice("alert", SOURCE, trouble.text, trouble.hint, time.time(), about=trouble.about)
                    self._notify(notice)

    def _is_backup_due(self, now: float) -> bool:
        """Tell whether an hour has gone since the newest one, in which something was written.

        What this process made is counted by the clock that does not jump.
        """
        if self._state.changes == self._backed_up_changes:
            return False
        if self._backed_up_at is not None:
            return time.monotonic() - self._backed_up_at >= BACKUP_SECONDS
        hourly = [backup.made_at for backup in self._state.backups() if backup.why == HOURLY]
        return not hourly or abs(now - hourly[0]) >= BACKUP_SECONDS

    def _back_up(self) -> None:
        changes = self._state.changes
        try:
            made = self._state.backup(HOURLY)
        except DeskError as error:
            text = " ".join(part for part in (error.message, error.hint) if part)
            if self._failed != text:
                _log.warning("%s", text)
            self._failed = text
            return
        _log.info("The state database was backed up: %s", made.name)
        self._failed, self._backed_up_at, self._backed_up_changes = None, time.monotonic(), changes


def _lost_text(jobs: Sequence[str], *, is_new: bool) -> str:
    what = "The state database is new, but this data folder is not" if is_new else "Jobs have lost their records"
    names = _some([plain(job, 40) for job in jobs])
    return f"{what}: {_count(len(jobs), 'job')} not known any more and left a folder here ({names}). {_FORGET}"


def _gone_text(jobs: Sequence[NotedJob]) -> str:
    names = _some([f"{plain(job.name, 40)} ({plain(job.id, 12)})" for job in jobs])
    text = f"The state database was emptied or put back: {_count(len(jobs), 'job')} not known any more that waited or"
    do = "A backup from before brings them back; where there is none, submit them again"
    return f"{text} ran, and left no folder here ({names}). {do}. This is told for a week."


def _count(number: int, noun: str) -> str:
    return f"{number} {noun} is" if number == 1 else f"{number} {noun}s are"


def _some(names: list[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return f"{', '.join(names[:_NAMED])}{more}"


def _sweep(began: float) -> None:
    gone = sweep_scratch(began)
    if gone:
        _log.info("%d temporary folders of processes that were killed were deleted", gone)
