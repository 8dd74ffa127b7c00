"""The GPUs' verbs on the ledger: bookings for whom, being told, notes from one user to another, broken GPUs."""

import os
import time
from dataclasses import replace
from pathlib import Path

import pytest

from mlops_desk.gpus.gpu_loss import GpuLoss
from mlops_desk.gpus.gpu_service import SETTLING_SECONDS, FaultMemory, GpuDesk, GpuDeskParts, free_for
from mlops_desk.gpus.leases.folders import LeaseFolders
from mlops_desk.gpus.leases.shared_mailbox.booking_service import BookingDesk
from mlops_desk.gpus.leases.shared_mailbox.bookings import BookingLimits, BookingPaper, WithdrawnPaper
from mlops_desk.gpus.leases.shared_mailbox.mailbox_files import KEPT_SECONDS, NotePaper, Paper, Papers, for_user
from mlops_desk.gpus.records.gpu_status import Booking, CardState, GpuCard
from mlops_desk.gpus.records.usage import GpuHours
from mlops_desk.jobs.records.waiter import KeptFor
from mlops_desk.kit.base.caller import Caller, set_caller, user_name
from mlops_desk.kit.base.errors import Invalid, NotFound, Refused, Unavailable
from mlops_desk.kit.records.agent import AgentCost, AgentInfo
from mlops_desk.machine.records.event import Notice
from mlops_desk.machine.records.gpu import Gpu, GpuProcess, GpuState
from mlops_desk.machine.records.host import Host
from mlops_desk.machine.records.incident import DeviceEvent
from mlops_desk.machine.records.metric import Reading
from mlops_desk.machine.records.status import Status

GIB = 1 << 30
ME = os.geteuid()


def card(index: int, state: CardState = CardState.FREE, **more) -> GpuCard:
    return GpuCard(f"GPU-{index}", index, "H100", state, memory_bytes=80 * GIB, room_bytes=80 * GIB, **more)


def status_of(gpus: tuple[Gpu, ...]) -> Status:
    return Status(gpus, Host("h"), (), (), AgentInfo("0", 1.0, AgentCost(), 1, "/d", "i"), 1.0)


class Hall:
    def __init__(self, place: Path) -> None:
        self.cards = [card(0), card(1, CardState.LEASED, text="leased to x"), card(2)]
        self.said: list[str] = []
        self.gpus = (Gpu("GPU-0", 0, "H100", None, GpuState.OK),)
        self.faults = FaultMemory()
        folders = LeaseFolders((place / "leases",))
        self.notes = Papers(folders, ".note", NotePaper)
        self.bookings = BookingDesk(
            Papers(folders, ".booking", BookingPaper, place / "kept"),
            Papers(folders, ".withdrawn", WithdrawnPaper, place / "kept"),
            lambda: BookingLimits(14 * 86_400.0, 96 * 3600.0),
        )
        self.parts = parts = GpuDeskParts(
            lambda: self.cards, self.bookings, self.notes, self.faults, self.hear,
            place / "seen.json", lambda by, since, until: (GpuHours(by, until - since),),
            GpuLoss(tuple, lambda _process: None, lambda _notice: None),
        )  # fmt: skip
        self.desk = GpuDesk(lambda: status_of(self.gpus), parts)
        self.personal: list[bool] = []

    def hear(self, notice: Notice) -> None:
        self.said.append(notice.text)
        self.personal.append(notice.personal)


def test_hours_are_those_of_a_week_where_nothing_else_is_asked(hall: Hall) -> None:
    (row,) = hall.desk.hours()
    assert (row.name, round(row.active)) == ("user", 7 * 86_400)
    assert hall.desk.hours("job", 10.0, 30.0) == [GpuHours("job", 20.0)]


@pytest.fixture
def hall(tmp_path: Path) -> Hall:
    return Hall(tmp_path)


def test_so_many_are_booked_of_what_is_sound_and_free_and_not_booked(hall: Hall) -> None:
    first = hall.desk.reserve(_in(2), gpus=2)
    assert first.gpus == ("GPU-0", "GPU-2")  # the leased one comes last
    assert hall.desk.reserve(_in(2), gpus=1).gpus == ("GPU-1",)
    with pytest.raises(Refused, match="1 GPUs are asked for, and 0 of this machine's are sound and not booked then"):
        hall.desk.reserve(_in(2), gpus=1)
    assert hall.desk.reserve(_in(5), gpus=3, starts_at=_in(3)).gpus == ("GPU-0", "GPU-2", "GPU-1")
    hall.cards[0] = card(0, CardState.FAULTED)
    with pytest.raises(Refused):
        hall.desk.reserve(_in(9), gpus=3, starts_at=_in(8))
    assert len(hall.desk.bookings()) == 3
    assert hall.desk.release(first.id).note == "taken back"
    with pytest.raises(NotFound):
        hall.desk.booking(first.id)


def _in(hours: float) -> float:
    return time.time() + hours * 3600


def test_gpus_are_named_by_index_or_uuid(hall: Hall) -> None:
    assert hall.desk.reserve(_in(1), which="2, GPU-0").gpus == ("GPU-2", "GPU-0")
    assert hall.desk.reserve(_in(3), which="gpu1", starts_at=_in(2)).gpus == ("GPU-1",)
    with pytest.raises(NotFound, match="There is no GPU 7; there are 0, 1, 2"):
        hall.desk.reserve(_in(1), which="7")
    with pytest.raises(Invalid, match="names 1 GPUs, and --gpus says 2"):
        hall.desk.reserve(_in(1), gpus=2, which="1")


@pytest.mark.parametrize("wrong", [{"gpus": 0}, {"gpus": -1}, {"which": "1,1"}, {"which": "0 2 GPU-0"}])
def test_no_gpus_fewer_than_none_and_one_twice_are_no_booking(hall: Hall, wrong) -> None:
    with pytest.raises(Invalid):
        hall.desk.reserve(_in(1), **wrong)
    assert hall.desk.bookings() == []


def test_right_after_the_start_the_drivers_first_answer_is_waited_for(hall: Hall) -> None:
    known, hall.cards = hall.cards, []

    def cards() -> list[GpuCard]:
        if not hall.cards:
            raise Unavailable("The GPU driver has not answered yet.")
        return hall.cards

    def answered() -> Status:
        hall.cards = known
        return status_of(hall.gpus)

    parts = replace(hall.parts, cards=cards)
    assert GpuDesk(answered, parts).reserve(_in(1), gpus=1).gpus == ("GPU-0",)
    hall.cards = []
    with pytest.raises(Unavailable):
        GpuDesk(lambda: status_of(()), parts).cards()


def test_waiting_tells_what_is_waited_for_and_then_which_are_free(hall: Hall, monkeypatch) -> None:
    naps = []

    def nap(_seconds: float) -> None:
        naps.append(1)
        if len(naps) == 3:
            hall.cards[1] = card(1)

    monkeypatch.setattr("mlops_desk.gpus.gpu_service.time.sleep", nap)
    lines = list(hall.desk.wait(3))
    assert lines == [
        "Waits for 3 free; 2 now. GPU 1: leased to x",
        "GPU 0 (GPU-0) is free.",
        "GPU 1 (GPU-1) is free.",
        "GPU 2 (GPU-2) is free.",
    ]
    assert len(naps) == 3  # and nothing was told twice


@pytest.mark.parametrize("wrong", [{"gpus": 0}, {"gpus": 4}, {"gpu_memory": "40 apples"}, {"gpu_memory": "40G"}])
def test_what_can_never_come_is_refused_at_once(hall: Hall, wrong) -> None:
    with pytest.raises(Invalid):
        hall.desk.wait(**wrong)
    with pytest.raises(Invalid):
        hall.desk.tell_when_free(**wrong)


def test_a_gpu_that_is_split_is_told_as_such_to_who_waits_for_more(hall: Hall) -> None:
    hall.cards += [replace(card(2), uuid=f"MIG-{number}", parent="GPU-2") for number in range(2)]
    with pytest.raises(Invalid, match="9 GPUs are asked for; this machine has 2 whole ones and 1 that is split into 2"):
        hall.desk.wait(9)


def test_whoever_asked_is_told_once(hall: Hall) -> None:
    hall.desk.tell_when_free(3)
    hall.desk.tell_when_free(3)
    hall.desk.turn()
    assert hall.said == []
    hall.cards[1] = card(1)
    hall.desk.turn()
    hall.desk.turn()
    assert hall.said == ["Free now: GPU 0, GPU 1, GPU 2. You asked to be told."]
    assert hall.personal == [True]


def test_what_is_kept_for_somebody_elses_job_is_not_called_free(hall: Hall) -> None:
    kept = {"GPU-0": KeptFor("resnet", "ana", 1.0, 2.0), "GPU-2": KeptFor("mine", user_name(ME), 1.0, 2.0)}
    hall.desk._parts = replace(hall.desk._parts, kept=lambda: kept)
    hall.desk.tell_when_free(2)
    hall.desk.turn()
    assert hall.said == []
    assert next(hall.desk.wait(2)) == "Waits for 2 free; 1 now. GPU 0: kept for ana's job resnet; GPU 1: leased to x"


def test_what_counts_as_free_for_whom() -> None:
    mine = Booking("a", "GPU-3", ME, "me", 0.0, 4e9)
    cards = [
        card(0), card(1, CardState.RESERVED, bookings=(replace(mine, uid=ME + 1),)), card(3, CardState.RESERVED, bookings=(mine,)),
        replace(card(4), room_bytes=GIB), replace(card(5), room_bytes=None),
        card(6), replace(card(7), parent="GPU-6", profile="1g.10gb"),
    ]  # fmt: skip
    assert [one.index for one in free_for(cards, ME, None)] == [0, 3, 4, 5, 7]
    assert [one.index for one in free_for(cards, ME, 2 * GIB)] == [0, 3, 7]


@pytest.fixture
def stranger(hall: Hall, monkeypatch) -> int:
    """A process of another user on GPU 0."""
    pid = 4711
    hall.gpus = (replace(hall.gpus[0], processes=(GpuProcess(pid, "ana", "python x.py", None, start_ticks=5),)),)
    monkeypatch.setattr("mlops_desk.gpus.gpu_service.uid_of", lambda _pid: 64_002)
    return pid


def test_a_note_reaches_whom_it_is_for_and_nobody_else(hall: Hall, stranger: int) -> None:
    left = hall.desk.note(stranger, "Are you still using it?\nThe night run\x1b[2J waits.")
    assert (left.uid, left.gpu_index) == (64_002, 0)
    assert "\x1b" not in left.text
    assert "\n" not in left.text
    (paper,) = hall.notes.read()
    assert for_user([paper], 64_002, paper.changed_ns / 1e9) == [paper]
    hall.desk.turn()
    assert hall.said == []


def test_the_receivers_agent_shows_a_note_once_also_after_a_restart(hall: Hall, tmp_path: Path) -> None:
    if ME != 0:
        pytest.skip("becoming another user needs root")
    (tmp_path / "leases").mkdir(exist_ok=True)
    (tmp_path / "leases").chmod(0o1777)
    for folder in (tmp_path, *tmp_path.parents):
        if folder.stat().st_uid == 0 and not folder.stat().st_mode & 0o001:
            folder.chmod(folder.stat().st_mode | 0o011)
    os.seteuid(64_003)
    try:
        hall.notes.write("abcd", NotePaper(0, 4711, 0, "Are you\x1b still there?", 0.0))
    finally:
        os.seteuid(0)
    hall.desk.turn()
    Hall(tmp_path).desk.turn()
    hall.desk.turn()
    assert hall.said == [
        "uid 64003 left a note about your process 4711 on GPU 0. Are you\\x1b still there?",
    ]


def test_notes_are_few_short_and_never_to_oneself(hall: Hall, stranger: int, monkeypatch) -> None:
    for wrong in ("", "  ", "x" * 201):
        with pytest.raises(Invalid):
            hall.desk.note(stranger, wrong)
    for _ in range(5):
        hall.desk.note(stranger, "hello")
    with pytest.raises(Refused, match="5 notes within a week"):
        hall.desk.note(stranger, "hello")
    with pytest.raises(Refused, match="is on no GPU"):
        hall.desk.note(4712, "hello")
    set_caller(Caller(64_002, 1, 1))
    try:
        with pytest.raises(Refused, match="is your own"):
            hall.desk.note(stranger, "hello")
    finally:
        set_caller(Caller(os.getuid(), os.getgid(), os.getpid()))


def test_old_notes_and_more_than_a_few_of_one_are_not_shown() -> None:
    now = 2_000_000_000.0

    def left(number: int, uid: int, seconds_ago: float) -> Paper[NotePaper]:
        return Paper(f"n{number}", uid, NotePaper(7, 1, 0, "x", now), int((now - seconds_ago) * 1e9))

    papers = [
        left(0, 8, KEPT_SECONDS + 1),
        *(left(number, 8, 10) for number in range(1, 9)),
        left(9, 9, 10),
        left(10, 7, 1),
    ]
    assert [paper.id for paper in for_user(papers, 7, now)] == ["n1", "n2", "n3", "n4", "n5", "n9"]


OFF_THE_BUS, CONTAINED = DeviceEvent(1.0, "xid", "GPU-0", 79), DeviceEvent(1.0, "xid", "GPU-0", 94)


def shown(action: float | None = None, state: GpuState = GpuState.OK) -> Gpu:
    metrics = {} if action is None else {"hw.gpu.recovery_action": Reading(action, "1")}
    return Gpu("GPU-0", 0, "H100", None, state, metrics=metrics)


def test_an_error_that_makes_a_gpu_unusable_is_remembered_until_the_driver_or_a_person_takes_it_back() -> None:
    memory = FaultMemory()
    memory.take([CONTAINED, replace(OFF_THE_BUS, device=None)], [shown()], 0.0)
    assert memory.now() == {}
    memory.take([OFF_THE_BUS], [shown()], 0.0)
    assert memory.now()["GPU-0"].text == "XID 79: GPU has fallen off the bus"
    memory.take([], [shown()], 1e6)
    assert memory.now()
    assert memory.trust("GPU-0")
    assert not memory.trust("GPU-0")
    assert memory.now() == {}


def test_a_driver_that_asks_for_nothing_any_more_is_believed_but_not_at_once() -> None:
    memory = FaultMemory()
    memory.take([OFF_THE_BUS], [shown(0.0)], 0.0)
    memory.take([], [shown(0.0)], SETTLING_SECONDS)
    assert memory.now()
    memory.take([], [shown(1.0)], SETTLING_SECONDS + 1)
    assert memory.now()
    memory.take([], [shown(0.0)], SETTLING_SECONDS + 2)
    assert memory.now() == {}


def test_a_gpu_that_was_gone_and_is_back_was_reset() -> None:
    memory = FaultMemory()
    memory.take([OFF_THE_BUS], [shown(state=GpuState.LOST)], 0.0)
    memory.take([], [shown(state=GpuState.STALE)], 1.0)
    assert memory.now()
    memory.take([], [shown()], 2.0)
    assert memory.now() == {}


def test_trusting_a_gpu_that_is_not_withheld_says_how_it_stands(hall: Hall) -> None:
    with pytest.raises(
        Refused, match="GPU 1 is not withheld because of an error that was announced: it is leased, leased to x"
    ):
        hall.desk.trust("1")
    hall.faults.take([OFF_THE_BUS], [], 0.0)
    assert hall.desk.trust("0").uuid == "GPU-0"
    assert hall.faults.now() == {}


def test_trusting_an_instance_is_trusting_its_gpu(hall: Hall) -> None:
    hall.cards.append(replace(card(0), uuid="MIG-0", parent="GPU-0", profile="1g.10gb"))
    hall.faults.take([OFF_THE_BUS], [], 0.0)
    assert hall.desk.trust("MIG-0").uuid == "MIG-0"
    assert hall.faults.now() == {}


def test_cards_tell_for_whose_job_they_are_kept(hall: Hall, monkeypatch) -> None:
    kept = KeptFor("resnet", "ana", 1.0, 2.0)
    hall.desk._parts = replace(hall.desk._parts, kept=lambda: {"GPU-2": kept})
    assert [one.kept for one in hall.desk.cards()] == [None, None, kept]
    assert hall.desk.card("2").kept == kept
