"""The GPUs' verbs that need the ledger: how each stands, bookings, being told when one is free, notes to others."""

import json
import logging
import os
import secrets
import time
from builtins import list as list_of
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Lock

from mlops_desk.gpus.gpu_loss import GpuLoss
from mlops_desk.gpus.leases.allocation import GpuFault
from mlops_desk.gpus.leases.shared_mailbox.booking_service import BookingDesk
from mlops_desk.gpus.leases.shared_mailbox.mailbox_files import (
    FROM_ONE,
    KEPT_SECONDS,
    TEXT_LIMIT,
    NotePaper,
    Papers,
    for_user,
    said,
)
from mlops_desk.gpus.records.gpu_status import CardState, GpuCard, GpuNote, GpuWish, Reservation, in_all
from mlops_desk.gpus.records.usage import GpuHours
from mlops_desk.jobs.records.waiter import KeptFor
from mlops_desk.kit.base.caller import current_caller, user_name
from mlops_desk.kit.base.disk.files import write_atomically
from mlops_desk.kit.base.document.byte_sizes import parse_bytes
from mlops_desk.kit.base.document.scalar_types import Unfit
from mlops_desk.kit.base.errors import DeskError, Hint, Invalid, NotFound, Refused, Unavailable
from mlops_desk.kit.base.text import plain
from mlops_desk.machine.records.event import Notice
from mlops_desk.machine.records.gpu import Gpu, GpuState
from mlops_desk.machine.records.incident import DeviceEvent
from mlops_desk.machine.records.status import Status
from mlops_desk.machine.records.xid import explain_xid
from mlops_desk.machine.telemetry.gpu_service import End, GpusService, Look, uid_of

# Remembers which GPUs an error has made untrustworthy, until the driver or a person takes it back. Pure.
#
# An error (XID) is announced once. A driver that says what it wants done (the recovery action) is believed as soon as
# it says so; of an older one nobody hears that a GPU was reset, so a person says it.

SETTLING_SECONDS = 30.0
"""Chosen: the driver's wish follows an error within a few samples; a 0 that is read sooner may be of before it."""

_GONE = frozenset({GpuState.LOST, GpuState.RESET_REQUIRED})


class FaultMemory:
    """What was announced of broken GPUs, by UUID. Safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._faults: dict[str, tuple[int, float]] = {}
        self._was_gone: set[str] = set()

    def take(self, heard: Iterable[DeviceEvent], gpus: Iterable[Gpu], now: float) -> None:
        """Take in what the driver announced and what it shows now; ``now`` is monotonic seconds."""
        with self._lock:
            for event in heard:
                if event.kind == "xid" and event.device is not None and event.code is not None:
                    self._put(event.device, event.code, now)
            if self._faults:
                self._forgive(gpus, now)

    def now(self) -> Mapping[str, GpuFault]:
        """Return what is known to be broken."""
        with self._lock:
            return {uuid: _fault(code) for uuid, (code, _) in self._faults.items()}

    def xids(self) -> Mapping[str, int]:
        """Return the number of the error of each GPU that is known to be broken."""
        with self._lock:
            return {uuid: code for uuid, (code, _) in self._faults.items()}

    def recall(self, xids: Mapping[str, int], now: float) -> None:
        """Take in what was known before, as if it were announced now."""
        with self._lock:
            for uuid, code in xids.items():
                self._put(uuid, code, now)

    def trust(self, uuid: str) -> bool:
        """Take a person's word that a GPU is mended; tell whether it was known as broken."""
        with self._lock:
            return self._faults.pop(uuid, None) is not None

    def _put(self, uuid: str, code: int, now: float) -> None:
        if explain_xid(code).level == "alert":
            self._faults[uuid] = code, now

    def _forgive(self, gpus: Iterable[Gpu], now: float) -> None:
        for gpu in gpus:
            known = self._faults.get(gpu.uuid)
            if gpu.state in _GONE:
                self._was_gone.add(gpu.uuid)
                continue
            returned = gpu.state is GpuState.OK and gpu.uuid in self._was_gone
            if returned:
                self._was_gone.discard(gpu.uuid)
            action = gpu.metrics.get("hw.gpu.recovery_action")
            asks_nothing = action is not None and action.value == 0.0
            if known is not None and (returned or (asks_nothing and now - known[1] > SETTLING_SECONDS)):
                del self._faults[gpu.uuid]


def _fault(code: int) -> GpuFault:
    known = explain_xid(code)
    return GpuFault(f"XID {code}: {known.brief or 'an error of the hardware'}", known.hint)


_log = logging.getLogger(__name__)

_HOURS_SECONDS = 7 * 86_400.0  # chosen: a week, as people plan
_LOOK_SECONDS = 1.0  # chosen: as often as GPUs are sampled
_SEEN_LIMIT = 500  # chosen: notes are kept for a week, and nobody gets as many
_ID_BYTES = 6  # chosen: notes are few, and two writers may draw the same number


@dataclass(frozen=True, slots=True)
class GpuDeskParts:
    """What the verbs stand on: ``cards`` asks the ledger, ``publish`` tells window and event log.

    ``seen`` is a file of our own that remembers which notes were shown; ``hours`` adds up what was held in a span;
    ``kept`` says of GPUs (by UUID) for whose jobs they are kept.
    """

    cards: Callable[[], Sequence[GpuCard]]
    bookings: BookingDesk
    notes: Papers[NotePaper]
    faults: FaultMemory
    publish: Callable[[Notice], None]
    seen: Path
    hours: Callable[[str, float, float], tuple[GpuHours, ...]]
    loss: GpuLoss
    kept: Callable[[], Mapping[str, KeptFor]] = dict


class GpuDesk(GpusService):
    """Implements ``verbs.Gpus``. ``turn`` is called every few seconds, in a thread that may wait for the disk."""

    def __init__(
        self, status: Callable[[], Status], parts: GpuDeskParts, end: End | None = None, look: Look | None = None
    ) -> None:
        super().__init__(status, end, look)
        self._parts = parts
        self._lock = Lock()
        self._wishes: set[GpuWish] = set()

    def hours(self, by: str = "user", since: float | None = None, until: float | None = None) -> list_of[GpuHours]:
        now = time.time()
        start = now - _HOURS_SECONDS if since is None else since
        return [*self._parts.hours(by, start, now if until is None else until)]

    # -- how they stand ------------------------------------------------------------------------

    def cards(self) -> list_of[GpuCard]:
        kept = self._parts.kept()
        try:
            found = self._parts.cards()
        except Unavailable:
            self.list()  # right after the agent's start it waits for the driver's first answer
            found = self._parts.cards()
        return [replace(card, kept=kept.get(card.uuid)) if kept else card for card in found]

    def card(self, gpu: str) -> GpuCard:
        """Return the GPU or MIG instance that a person means by its index or UUID. Raises NotFound."""
        name = gpu.strip().lower().removeprefix("gpu") if gpu.strip()[3:].isdigit() else gpu.strip()
        cards = self.cards()
        for card in cards:
            if name == card.uuid or (name == str(card.index) and card.parent is None):
                return card
        known = ", ".join(str(card.index) for card in whole(cards)) or "none"
        raise NotFound(f"There is no GPU {plain(gpu, 60)}; there are {known}.", Hint("mlops-desk gpus cards"))

    def trust(self, gpu: str) -> GpuCard:
        """Take a GPU back into use that was withheld after an error. Raises NotFound, Refused."""
        card = self.card(gpu)
        if not self._parts.faults.trust(card.parent or card.uuid):
            text = f"GPU {card.index} is not withheld because of an error that was announced: it is {card.state}"
            raise Refused(f"{text}, {card.text}." if card.text else f"{text}.")
        return self.card(gpu)

    # -- bookings ------------------------------------------------------------------------------

    def bookings(self) -> list_of[Reservation]:
        return self._parts.bookings.list()

    def booking(self, booking_id: str) -> Reservation:
        return self._parts.bookings.show(booking_id)

    def reserve(
        self, ends_at: float, gpus: int | None = None, which: str | None = None, starts_at: float | None = None
    ) -> Reservation:
        """Book GPUs for the caller. Raises Invalid, NotFound, Refused, Unavailable."""
        begins = time.time() if starts_at is None else starts_at
        if which is not None:
            chosen = [self.card(word).uuid for word in which.replace(",", " ").split()]
            if len(set(chosen)) < len(chosen):
                raise Invalid(f"--which names a GPU twice: {plain(which, 60)}.", "Name each GPU once.")
            if gpus is not None and gpus != len(chosen):
                raise Invalid(f"--which names {len(chosen)} GPUs, and --gpus says {gpus}.", "One of the two is enough.")
        elif gpus is not None and gpus < 1:
            raise Invalid(f"{gpus} GPUs are asked for, and a booking is of 1 at least.")
        else:
            chosen = self._unbooked(1 if gpus is None else gpus, begins, ends_at)
        return self._parts.bookings.book(current_caller().uid, chosen, begins, ends_at)

    def release(self, booking_id: str) -> Reservation:
        return self._parts.bookings.withdraw(booking_id)

    def _unbooked(self, count: int, begins: float, ends: float) -> list_of[str]:
        """Choose GPUs that nobody has booked for that time, those first that are free now."""
        booked = {
            gpu
            for one in self._parts.bookings.list()
            if one.note is None and one.starts_at < ends and begins < one.ends_at
            for gpu in one.gpus
        }
        cards = [
            card for card in whole(self.cards()) if card.uuid not in booked and card.state is not CardState.FAULTED
        ]
        if len(cards) < count:
            text = f"{count} GPUs are asked for, and {len(cards)} of this machine's are sound and not booked then."
            raise Refused(text, Hint("mlops-desk gpus bookings"))
        cards.sort(key=lambda card: (card.state is not CardState.FREE, card.index))
        return [card.uuid for card in cards[:count]]

    # -- being told ----------------------------------------------------------------------------

    def wait(self, gpus: int = 1, gpu_memory: str | None = None, *, notify: bool = False) -> Iterator[str]:
        """Yield what is waited for whenever it changes, and at last which GPUs are free. Raises Invalid."""
        wish = self._wish(gpus, gpu_memory)
        if notify:
            self.tell_when_free(gpus, gpu_memory)
        return self._waited_for(wish)

    def tell_when_free(self, gpus: int = 1, gpu_memory: str | None = None) -> GpuWish:
        """Have a notice say when so many GPUs are free; asked twice, it is said once. Raises Invalid."""
        wish = self._wish(gpus, gpu_memory)
        with self._lock:
            self._wishes.add(wish)
        return wish

    def _wish(self, gpus: int, gpu_memory: str | None) -> GpuWish:
        known = whole(self.cards())
        if not 1 <= gpus <= max(1, len(known)):
            raise Invalid(f"{gpus} GPUs are asked for; this machine has {in_all(self.cards())}.")
        return GpuWish(current_caller().uid, gpus, None if gpu_memory is None else _bytes(gpu_memory))

    def _waited_for(self, wish: GpuWish) -> Iterator[str]:
        told = ""
        while True:
            cards = self.cards()
            free = free_for(cards, wish.uid, wish.memory_bytes)
            if len(free) >= wish.gpus:
                yield from (f"{_called(card)} ({card.uuid}) is free." for card in free)
                return
            others = "; ".join(f"{_called(card)}: {_why_not(card)}" for card in whole(cards) if card not in free)
            text = f"Waits for {wish.gpus} free; {len(free)} now. {others}"
            if text != told:
                told = text
                yield text
            time.sleep(_LOOK_SECONDS)

    # -- notes ---------------------------------------------------------------------------------

    def note(self, pid: int, text: str) -> GpuNote:
        """Leave word for whose process is on a GPU. Raises Invalid, Refused, Unavailable."""
        word = plain(text, TEXT_LIMIT).strip()
        if not word or len(text) > TEXT_LIMIT:
            raise Invalid(f"A note is of 1 to {TEXT_LIMIT} characters, and this has {len(text)}.")
        gpu = next((gpu for gpu in self.list() if any(one.pid == pid for one in gpu.processes)), None)
        if gpu is None:
            raise Refused(f"Process {pid} is on no GPU now.", Hint("mlops-desk gpus list", after=" shows who is."))
        process, caller, uid = self.process(pid), current_caller(), uid_of(pid)
        if uid is None or uid == caller.uid:
            text = f"Process {pid} is your own." if uid is not None else f"Process {pid} has ended already."
            raise Refused(text, Hint("mlops-desk gpus list", after=" shows the others."))
        now = time.time()
        mine = self._parts.notes.own()
        for paper in mine:
            if now - paper.changed_ns / 1e9 >= KEPT_SECONDS:
                self._parts.notes.remove(paper.id)
        fresh = [one for one in mine if one.content.to_uid == uid and now - one.changed_ns / 1e9 < KEPT_SECONDS]
        if len(fresh) >= FROM_ONE:
            raise Refused(f"You have left {user_name(uid)} {len(fresh)} notes within a week already.", "Talk to them.")
        id_ = secrets.token_hex(_ID_BYTES)
        self._parts.notes.write(id_, NotePaper(uid, pid, gpu.index, word, now, process.start_ticks))
        return GpuNote(id_, pid, gpu.index, uid, user_name(uid), word, now)

    # -- every few seconds ---------------------------------------------------------------------

    def turn(self) -> None:
        """Put lost bookings back, show notes that came, and tell of GPUs that jobs have lost or people wait for."""
        try:
            self._parts.bookings.uphold()
            self._deliver_notes()
        except (DeskError, OSError) as error:
            _log.warning("Bookings and notes can't be kept up: %s", error)
        self._parts.loss.look(self.list())
        with self._lock:
            wishes = [*self._wishes]
        cards = self.cards() if wishes else []
        for wish in wishes:
            free = free_for(cards, wish.uid, wish.memory_bytes)
            if len(free) >= wish.gpus:
                with self._lock:
                    self._wishes.discard(wish)
                named = ", ".join(map(_called, free))
                text = f"Free now: {named}. You asked to be told."
                self._parts.publish(Notice("info", "gpus", text, about=("gpu", free[0].uuid), personal=True))

    def _deliver_notes(self) -> None:
        found = for_user(self._parts.notes.read(), os.geteuid(), time.time())
        if not found:
            return
        seen = _read_seen(self._parts.seen)
        fresh = [paper for paper in found if f"{paper.uid}-{paper.id}" not in seen]
        for paper in fresh:
            who, content = user_name(paper.uid), paper.content
            title = f"{plain(who)} left a note about your process {content.pid} on GPU {content.gpu_index}"
            uuid = next((gpu.uuid for gpu in self.list() if gpu.index == content.gpu_index), None)
            about = None if uuid is None else ("gpu", uuid)
            self._parts.publish(Notice("info", "gpus", f"{title}. {said(paper)}", about=about, personal=True))
        if fresh:
            kept = [*seen, *(f"{paper.uid}-{paper.id}" for paper in fresh)][-_SEEN_LIMIT:]
            write_atomically(self._parts.seen, json.dumps(kept).encode())


def _bytes(text: str) -> int:
    try:
        return parse_bytes(text)
    except Unfit as error:
        raise Invalid(f"{plain(text, 40)!r} is no amount of memory.", f"Give {error.wanted}.") from error


def whole(cards: Sequence[GpuCard]) -> list_of[GpuCard]:
    """Return the cards that are given out one by one: of a GPU that is cut into instances, those."""
    cut = {card.parent for card in cards}
    return [card for card in cards if card.uuid not in cut]


def _called(card: GpuCard) -> str:
    return f"GPU {card.index}" + (f" {card.profile}" if card.profile else "")


def free_for(cards: Sequence[GpuCard], uid: int, memory_bytes: int | None) -> list_of[GpuCard]:
    """Return the cards that a user could have now, with so much free memory each; not what is kept for others."""
    return [
        card
        for card in whole(cards)
        if (card.state is CardState.FREE or (card.state is CardState.RESERVED and _is_theirs(card, uid)))
        and (card.kept is None or card.kept.user == user_name(uid))
        and (memory_bytes is None or (card.room_bytes is not None and card.room_bytes >= memory_bytes))
    ]


def _why_not(card: GpuCard) -> str:
    if card.kept is not None and card.state is CardState.FREE:
        return f"kept for {card.kept.user}'s job {card.kept.name}"
    return card.text or card.state


def _is_theirs(card: GpuCard, uid: int) -> bool:
    now = time.time()
    return any(one.uid == uid and one.starts_at <= now < (one.ends_at or now + 1) for one in card.bookings)


def _read_seen(path: Path) -> list_of[str]:
    try:
        known = json.loads(path.read_bytes()[: 64 * _SEEN_LIMIT])
    except (OSError, ValueError, RecursionError):
        return []
    return [str(one) for one in known] if isinstance(known, list) else []
