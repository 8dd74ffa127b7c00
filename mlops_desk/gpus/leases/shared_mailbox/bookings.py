"""Which bookings of GPUs count, and whom they keep off. Pure.

Every agent judges what all users have written, by itself and by the same rules: a booking counts if it is its owner's
(or root's) word, lies within the limits, and nobody else booked the same GPU for the same time before. When it was
written is what the kernel says, so nobody can write one into the past. Bookings follow the wall's clock, for people do.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from mlops_desk.gpus.leases.shared_mailbox.mailbox_files import Paper
from mlops_desk.gpus.records.gpu_status import Booking, Reservation
from mlops_desk.kit.base.caller import user_name
from mlops_desk.kit.base.text import plain

_ROOT = 0  # the uid of the superuser, on every Linux
UNLIMITED_SECONDS = 86_400.0
"""Chosen: a job without a time limit is taken to run a day, as the queue reckons too."""


@dataclass(frozen=True, slots=True)
class BookingPaper:
    """What a booking's file says. Times are Unix seconds."""

    gpus: tuple[str, ...]
    uid: int
    starts_at: float
    ends_at: float


@dataclass(frozen=True, slots=True)
class WithdrawnPaper:
    """What root's file says that takes back somebody's booking; ``ends_at`` is when that would have been over."""

    uid: int
    ends_at: float


@dataclass(frozen=True, slots=True)
class BookingLimits:
    """How far ahead one may book, and how many seconds of one GPU a person may have booked altogether."""

    ahead_seconds: float
    gpu_seconds: float


def judged(
    papers: Iterable[Paper[BookingPaper]], withdrawn: Iterable[Paper[WithdrawnPaper]], limits: BookingLimits, now: float
) -> list[Reservation]:
    """Return the bookings that are not over, as they were written; ``note`` says why one does not count."""
    void = {(paper.content.uid, paper.id) for paper in withdrawn if paper.uid == _ROOT}
    found: list[Reservation] = []
    for paper in sorted(papers, key=lambda one: (one.changed_ns, one.uid, one.id)):
        said = paper.content
        if not _makes_sense(paper) or said.ends_at <= now or (said.uid, paper.id) in void:
            continue
        gpus = tuple(plain(gpu) for gpu in said.gpus)
        one = Reservation(paper.id, gpus, said.uid, plain(user_name(said.uid)), said.starts_at, said.ends_at)
        found.append(_with_note(one, why_not(one, found, limits, now)))
    return found


def why_not(one: Reservation, before: Iterable[Reservation], limits: BookingLimits, now: float) -> str | None:
    """Return why a booking does not count beside those of before; None when it does."""
    if one.starts_at > now + limits.ahead_seconds:
        return f"it begins later than the {limits.ahead_seconds / 86_400:.4g} days ahead that may be booked"
    counting = [other for other in before if other.note is None]
    booked = sum(_gpu_seconds(other, now) for other in counting if other.uid == one.uid)
    if booked + _gpu_seconds(one, now) > limits.gpu_seconds:
        hours, limit = (booked + _gpu_seconds(one, now)) / 3600, limits.gpu_seconds / 3600
        return f"with it {one.user} would have booked {hours:.4g} GPU-hours of the {limit:.4g} that one person may"
    for other in counting:
        if set(other.gpus) & set(one.gpus) and _meet(one, other):
            return f"{other.user} has booked one of its GPUs before for that time ({other.id})"
    return None


def by_gpu(reservations: Iterable[Reservation]) -> Mapping[str, tuple[Booking, ...]]:
    """Return what counts, by the GPU, in the order of their beginning."""
    found: dict[str, list[Booking]] = {}
    for one in sorted(reservations, key=lambda one: (one.starts_at, one.id)):
        for gpu in one.gpus if one.note is None else ():
            found.setdefault(gpu, []).append(Booking(one.id, gpu, one.uid, one.user, one.starts_at, one.ends_at))
    return {gpu: tuple(bookings) for gpu, bookings in found.items()}


def current(bookings: Sequence[Booking], now: float) -> Booking | None:
    """Return the booking whose time it is."""
    return next((one for one in bookings if one.starts_at <= now < (one.ends_at or math.inf)), None)


def in_the_way(bookings: Iterable[Booking], uid: int, now: float, until: float | None) -> Booking | None:
    """Return the booking that keeps a job of ``uid`` off which ends by ``until``; None when there is none.

    A job without a time limit may not begin shortly before somebody else's time.
    """
    end = now + UNLIMITED_SECONDS if until is None else until
    others = (one for one in bookings if one.uid != uid)
    return next((one for one in others if one.starts_at < end and now < (one.ends_at or math.inf)), None)


def _makes_sense(paper: Paper[BookingPaper]) -> bool:
    said = paper.content
    speaks_for_itself = paper.uid in {said.uid, _ROOT}
    times = math.isfinite(said.starts_at) and math.isfinite(said.ends_at) and said.starts_at < said.ends_at
    return speaks_for_itself and times and 0 < len(said.gpus) == len(set(said.gpus))


def _gpu_seconds(one: Reservation, now: float) -> float:
    return len(one.gpus) * max(0.0, one.ends_at - max(one.starts_at, now))


def _meet(one: Reservation, other: Reservation) -> bool:
    return one.starts_at < other.ends_at and other.starts_at < one.ends_at


def _with_note(one: Reservation, note: str | None) -> Reservation:
    if note is None:
        return one
    return Reservation(one.id, one.gpus, one.uid, one.user, one.starts_at, one.ends_at, note)
