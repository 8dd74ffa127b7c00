"""Bookings made, listed and taken back. As leases they are written first and looked at then.

A person's bookings are theirs to write and to remove. Root takes somebody else's back by a word in root's own folder.
"""

import os
import random
import secrets
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from mlops_desk.gpus.leases.folders import LeaseFolders
from mlops_desk.gpus.leases.shared_mailbox import bookings
from mlops_desk.gpus.leases.shared_mailbox.bookings import BookingLimits, BookingPaper, WithdrawnPaper
from mlops_desk.gpus.leases.shared_mailbox.mailbox_files import Papers
from mlops_desk.gpus.records.gpu_status import Booking, Reservation
from mlops_desk.kit.base.caller import user_name
from mlops_desk.kit.base.errors import Hint, Invalid, NotFound, Refused
from mlops_desk.kit.base.text import plain

_TRIES = 4  # each is lost to another agent that booked at that moment
_STEP_BACK_SECONDS = 0.05  # chosen: several times what writing one needs
_KEPT_SECONDS = 1.0  # chosen: the queue asks at every decision, and nobody books twice a second
_GPUS_LIMIT = 64  # chosen: as many as a file has room for
_ID_BYTES = 4  # chosen: a person types it, and bookings are some dozens


class BookingDesk:
    """``limits`` are asked each time, as settings change. Safe to use from several threads."""

    def __init__(
        self,
        papers: Papers[BookingPaper],
        withdrawn: Papers[WithdrawnPaper],
        limits: Callable[[], BookingLimits],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._papers = papers
        self._withdrawn = withdrawn
        self._limits = limits
        self._clock = clock
        self._lock = threading.Lock()
        self._known: Mapping[str, tuple[Booking, ...]] = {}
        self._due = 0.0

    def by_gpu(self) -> Mapping[str, tuple[Booking, ...]]:
        """Return what is booked, by the GPU; not older than a second."""
        with self._lock:
            if time.monotonic() >= self._due:
                self._known = bookings.by_gpu(self.list())
                self._due = time.monotonic() + _KEPT_SECONDS
            return self._known

    def list(self) -> "list[Reservation]":
        """Return all bookings that are not over, also those that do not count."""
        return bookings.judged(self._papers.read(), self._withdrawn.read(), self._limits(), self._clock())

    def show(self, booking_id: str) -> Reservation:
        """Return one. Raises NotFound."""
        found = next((one for one in self.list() if one.id == booking_id), None)
        if found is None:
            raise NotFound(f"There is no booking {plain(booking_id, 40)}.", Hint("mlops-desk gpus bookings"))
        return found

    def book(self, uid: int, gpus: Sequence[str], starts_at: float, ends_at: float) -> Reservation:
        """Book GPUs for a user from one Unix time to another. Raises Invalid, Refused, Unavailable."""
        now = self._clock()
        if not now < ends_at > starts_at:
            raise Invalid("A booking ends after it begins, and not in the past.", "Give --from and --until.")
        if not 0 < len(gpus) <= _GPUS_LIMIT:
            raise Invalid(f"A booking is of 1 to {_GPUS_LIMIT} GPUs, not of {len(gpus)}.")
        uid = uid if os.geteuid() == 0 else os.geteuid()  # papers speak for their owner
        paper = BookingPaper(tuple(gpus), uid, max(starts_at, now), ends_at)
        self._tidy(now)
        wanted = Reservation("", paper.gpus, uid, user_name(uid), paper.starts_at, ends_at)
        why = bookings.why_not(wanted, self.list(), self._limits(), now)
        if why is not None:
            raise _refused(why)
        for _ in range(_TRIES):
            id_ = secrets.token_hex(_ID_BYTES)
            self._papers.write(id_, paper)
            made = next((one for one in self.list() if one.id == id_ and one.uid == uid), None)
            if made is not None and made.note is None:
                self._forget()
                return made
            self._papers.remove(id_)
            why = None if made is None else made.note
            time.sleep(random.uniform(0, _STEP_BACK_SECONDS))  # noqa: S311 - not a secret
        raise _refused(why or "others book at this very moment")

    def withdraw(self, booking_id: str) -> Reservation:
        """Take a booking back: our own, or as root anybody's. Raises NotFound, Refused, Unavailable."""
        one = self.show(booking_id)
        if any(paper.id == booking_id for paper in self._papers.own()):
            self._papers.remove(booking_id)
        elif os.geteuid() == 0:
            self._withdrawn.write(booking_id, WithdrawnPaper(one.uid, one.ends_at))
        else:
            text = f"Booking {one.id} is in the files of {one.user}, which only they and root can change."
            command = Hint(f"sudo mlops-desk gpus release {one.id}", before="Ask them, or as an administrator: ")
            raise Refused(text, command)
        self._forget()
        return replace(one, note="taken back")

    def uphold(self) -> None:
        """Put our own bookings back that were lost with the shared folders, but for those taken back by root."""
        void = {paper.id for paper in self._withdrawn.read() if paper.uid == 0}
        for paper in self._papers.own():
            if paper.id in void:
                self._papers.remove(paper.id)
        self._withdrawn.put_back()
        self._papers.put_back()

    def _tidy(self, now: float) -> None:
        """Remove what is over of ours."""
        for booked in self._papers.own():
            if booked.content.ends_at <= now:
                self._papers.remove(booked.id)
        for gone in self._withdrawn.own():
            if gone.content.ends_at <= now:
                self._withdrawn.remove(gone.id)

    def _forget(self) -> None:
        with self._lock:
            self._due = 0.0


def _refused(why: str) -> Refused:
    return Refused(f"These GPUs can't be booked for that time: {why}.", Hint("mlops-desk gpus bookings"))


def open_bookings(folders: LeaseFolders, kept: Path, number: Callable[[str], float]) -> BookingDesk:
    """Return the bookings in the shared folders, with copies of ours in ``kept``; ``number`` reads a setting."""

    def limits() -> BookingLimits:
        return BookingLimits(number("gpus.booking_days") * 86_400.0, number("gpus.booking_gpu_hours") * 3600.0)

    written = Papers(folders, ".booking", BookingPaper, kept)
    return BookingDesk(written, Papers(folders, ".withdrawn", WithdrawnPaper, kept), limits)
