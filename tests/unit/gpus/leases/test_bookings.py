"""Bookings: whose word counts, what fits beside whom, and whom they keep off."""

import itertools
import os
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops_desk.gpus.leases.allocation import DriverFacts
from mlops_desk.gpus.leases.context import LeaseHolder, LeaseOwner
from mlops_desk.gpus.leases.folders import LeaseFolders
from mlops_desk.gpus.leases.ledger import LeaseLedger
from mlops_desk.gpus.leases.shared_mailbox.booking_service import BookingDesk
from mlops_desk.gpus.leases.shared_mailbox.bookings import (
    BookingLimits,
    BookingPaper,
    WithdrawnPaper,
    by_gpu,
    current,
    in_the_way,
    judged,
)
from mlops_desk.gpus.leases.shared_mailbox.mailbox_files import Paper, Papers
from mlops_desk.gpus.records.gpu_status import Booking, CardState
from mlops_desk.kit.base.errors import Invalid, NotFound, Refused
from tests.unit.gpus.leases.world import World, gpu, process, uuid

DAY, HOUR = 86_400.0, 3600.0
NOW = 1_800_000_000.0
LIMITS = BookingLimits(14 * DAY, 96 * HOUR)
ME = os.geteuid()


def paper(id_="a1b2", uid=64007, gpus=("GPU-0",), starts=NOW, ends=NOW + HOUR, said=None, at=1):
    return Paper(id_, uid, BookingPaper(tuple(gpus), uid if said is None else said, starts, ends), at)


def notes(*papers, withdrawn=(), limits=LIMITS):
    return {one.id: one.note for one in judged(papers, withdrawn, limits, NOW)}


def test_whoever_wrote_first_has_it_whatever_the_files_claim() -> None:
    late = paper("late", 64008, at=2)
    assert notes(late, paper("early", 64007, at=1)) == {
        "early": None, "late": "uid 64007 has booked one of its GPUs before for that time (early)",
    }  # fmt: skip
    assert (
        notes(paper("next", 64008, starts=NOW + HOUR, ends=NOW + 2 * HOUR, at=2), paper("early", 64007))["next"] is None
    )


def test_what_does_not_count_keeps_nobody_off() -> None:
    far = paper("far", 64007, starts=NOW + 15 * DAY, ends=NOW + 16 * DAY, at=1)
    same = paper("same", 64008, starts=NOW + 15 * DAY - HOUR, ends=NOW + 15 * DAY, at=2)
    assert notes(far) == {"far": "it begins later than the 14 days ahead that may be booked"}
    assert notes(far, same)["same"] is not None  # just as far
    many = paper("many", 64007, gpus=[f"GPU-{n}" for n in range(8)], ends=NOW + 24 * HOUR, at=1)
    assert notes(many)["many"] == "with it uid 64007 would have booked 192 GPU-hours of the 96 that one person may"
    assert notes(many, paper("mine", 64008, at=2))["mine"] is None


@pytest.mark.parametrize(
    "wrong",
    [
        paper(said=64008), paper(ends=NOW - 1), paper(ends=float("inf")), paper(starts=float("nan")), paper(gpus=()),
        paper(gpus=("GPU-0", "GPU-0")), paper(starts=NOW + HOUR, ends=NOW + HOUR),
    ],
)  # fmt: skip
def test_what_makes_no_sense_or_speaks_for_somebody_else_is_not_there(wrong) -> None:
    assert notes(wrong) == {}


def test_root_speaks_for_others_and_takes_back_theirs_and_nobody_else_does() -> None:
    assert notes(paper(uid=0, said=64007)) == {"a1b2": None}
    taken = WithdrawnPaper(64007, NOW + HOUR)
    assert notes(paper(), withdrawn=[Paper("a1b2", 0, taken, 5)]) == {}
    assert notes(paper(), withdrawn=[Paper("a1b2", 64008, taken, 5)]) == {"a1b2": None}
    assert notes(paper(uid=64009), withdrawn=[Paper("a1b2", 0, taken, 5)]) == {"a1b2": None}


users = st.integers(64005, 64008)
moments = st.integers(-5, 400).map(lambda hours: NOW + hours * HOUR)
written = st.builds(
    lambda number, uid, gpus, starts, hours, at: paper(f"id{number:04d}", uid, gpus, starts, starts + hours * HOUR, at=at),
    st.integers(0, 999), users, st.lists(st.sampled_from(["GPU-0", "GPU-1", "GPU-2"]), min_size=1, max_size=3, unique=True),
    moments, st.integers(1, 60), st.integers(0, 50),
)  # fmt: skip


@given(st.lists(written, max_size=12, unique_by=lambda one: one.id))
def test_no_gpu_is_promised_to_two_at_once_and_nobody_has_more_than_the_limit(papers) -> None:
    found = judged(papers, [], LIMITS, NOW)
    counting = [one for one in found if one.note is None]
    for gpu_, bookings in by_gpu(found).items():
        for one, other in itertools.pairwise(bookings):
            assert one.ends_at <= other.starts_at, gpu_
    for uid in range(64005, 64009):
        held = sum(len(one.gpus) * (one.ends_at - max(one.starts_at, NOW)) for one in counting if one.uid == uid)
        assert held <= LIMITS.gpu_seconds
    assert judged(reversed(papers), [], LIMITS, NOW) == found  # every agent comes to the same


BOOKED = Booking("a1b2", "GPU-0", 7, "ana", NOW + 2 * HOUR, NOW + 4 * HOUR)


@pytest.mark.parametrize(
    ("uid", "now", "until", "bars"),
    [
        (8, NOW, NOW + HOUR, False),
        (8, NOW, NOW + 2 * HOUR, False),
        (8, NOW, NOW + 2 * HOUR + 1, True),
        (8, NOW, None, True),
        (7, NOW, None, False),
        (8, NOW - 2 * DAY, None, False),
        (8, NOW + 3 * HOUR, NOW + 3.5 * HOUR, True),
        (8, NOW + 4 * HOUR, None, False),
    ],
)
def test_a_job_may_begin_before_somebody_elses_time_if_it_ends_before(uid, now, until, bars) -> None:
    assert (in_the_way([BOOKED], uid, now, until) is not None) is bars


def test_whose_time_it_is() -> None:
    assert current([BOOKED], NOW) is None
    assert current([BOOKED], NOW + 2 * HOUR) is BOOKED
    assert current([BOOKED], NOW + 4 * HOUR) is None


class Hall:
    """A shared folder, and one user's agent (``kept``: its own folder)."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self.now = NOW
        self.limits = LIMITS
        self.desk = self.open("one")

    def open(self, name: str) -> BookingDesk:
        kept = self.place / f"{name}-kept"
        folders = LeaseFolders((self.place / "leases",))
        return BookingDesk(
            Papers(folders, ".booking", BookingPaper, kept),
            Papers(folders, ".withdrawn", WithdrawnPaper, kept),
            lambda: self.limits,
            lambda: self.now,
        )


@pytest.fixture
def hall(tmp_path: Path) -> Hall:
    return Hall(tmp_path)


def test_a_booking_is_written_listed_and_taken_back(hall: Hall) -> None:
    made = hall.desk.book(ME, ["GPU-0", "GPU-1"], NOW + HOUR, NOW + 2 * HOUR)
    assert (made.uid, made.gpus, made.note, made.owner.uid) == (ME, ("GPU-0", "GPU-1"), None, ME)
    other = hall.open("other")
    assert other.list() == [made]
    assert other.show(made.id) == made
    assert {gpu_: one[0].id for gpu_, one in other.by_gpu().items()} == {"GPU-0": made.id, "GPU-1": made.id}
    assert hall.desk.withdraw(made.id).note == "taken back"
    assert hall.desk.list() == []
    with pytest.raises(NotFound):
        hall.desk.show(made.id)


def test_what_can_not_be_booked_is_refused_in_words_and_leaves_nothing_behind(hall: Hall) -> None:
    hall.desk.book(ME, ["GPU-0"], NOW, NOW + HOUR)
    with pytest.raises(Refused, match="would have booked 97 GPU-hours of the 96"):
        hall.desk.book(ME, ["GPU-1"], NOW, NOW + 96 * HOUR)
    for starts, ends in [(NOW + 2, NOW + 1), (NOW - 9, NOW - 1)]:
        with pytest.raises(Invalid):
            hall.desk.book(ME, ["GPU-1"], starts, ends)
    with pytest.raises(Invalid):
        hall.desk.book(ME, [], NOW, NOW + 1)
    assert len(list(hall.place.glob("leases/*/*.booking"))) == 1


def test_a_booking_in_the_past_begins_now_and_what_is_over_is_cleared_away(hall: Hall) -> None:
    assert hall.desk.book(ME, ["GPU-0"], NOW - HOUR, NOW + HOUR).starts_at == NOW
    hall.now += 2 * HOUR
    assert hall.desk.list() == []
    hall.desk.book(ME, ["GPU-0"], hall.now, hall.now + HOUR)
    assert len(list(hall.place.glob("leases/*/*.booking"))) == 1


def test_bookings_outlive_an_emptied_shared_folder(hall: Hall) -> None:
    made = hall.desk.book(ME, ["GPU-0"], NOW, NOW + HOUR)
    (file,) = hall.place.glob("leases/*/*.booking")
    file.unlink()
    assert hall.desk.list() == []
    hall.desk.uphold()
    assert hall.desk.list() == [made]
    hall.desk.withdraw(made.id)
    hall.desk.uphold()
    assert hall.desk.list() == []


@pytest.mark.parametrize("rubbish", [b"", b"{", b"[]", b'{"gpus": 3}', b"\xff" * 20, b"x" * 5000])
def test_rubbish_under_a_bookings_name_is_no_booking(hall: Hall, rubbish: bytes) -> None:
    hall.desk.book(ME, ["GPU-0"], NOW, NOW + HOUR)
    (folder,) = {file.parent for file in hall.place.glob("leases/*/*.booking")}
    (folder / "ffff.booking").write_bytes(rubbish)
    (folder / "eeee.booking").symlink_to("/etc/passwd")
    (folder / "dddd.booking").mkdir()
    assert len(hall.desk.list()) == 1


@pytest.mark.skipif(os.geteuid() != 0, reason="becoming another user needs root")
def test_a_file_of_somebody_else_in_ones_folder_says_nothing(hall: Hall) -> None:
    hall.desk.book(ME, ["GPU-0"], NOW, NOW + HOUR)
    (file,) = hall.place.glob("leases/*/*.booking")
    os.chown(file, 64_002, 64_002)
    assert hall.desk.list() == []


@pytest.mark.skipif(os.geteuid() != 0, reason="becoming another user needs root")
def test_another_users_booking_is_theirs_to_take_back_and_roots(hall: Hall) -> None:
    for folder in (hall.place, *hall.place.parents):
        if folder.stat().st_uid == 0 and not folder.stat().st_mode & 0o001:
            folder.chmod(folder.stat().st_mode | 0o011)
    theirs = hall.open("theirs")
    (hall.place / "leases").mkdir(exist_ok=True)
    (hall.place / "leases").chmod(0o1777)
    for name in ("theirs-kept", "third-kept"):
        (hall.place / name).mkdir()
        (hall.place / name).chmod(0o777)
    os.seteuid(4101)
    try:
        made = theirs.book(4101, ["GPU-0"], NOW, NOW + HOUR)
        os.seteuid(0)
        os.seteuid(4102)
        with pytest.raises(Refused, match="has booked one of its GPUs before"):
            hall.open("third").book(4102, ["GPU-0"], NOW, NOW + HOUR)
        with pytest.raises(Refused, match="only they and root can change"):
            hall.open("third").withdraw(made.id)
    finally:
        os.seteuid(0)
    hall.desk.withdraw(made.id)
    assert hall.desk.list() == []
    os.seteuid(4101)
    try:
        theirs.uphold()
    finally:
        os.seteuid(0)
    assert not list(hall.place.glob("theirs-kept/*"))


def test_the_ledger_keeps_a_booked_gpu_for_its_booker_and_off_everybody_else(tmp_path: Path) -> None:
    world = World()
    world.spawn(1)
    booked = {}
    ledger = LeaseLedger(
        LeaseOwner("a"), folders=LeaseFolders((tmp_path / "l",)), host=world.seen_by(1), bookings=lambda: booked
    )
    facts = DriverFacts((gpu(0), gpu(1)), world.now())
    stranger = ME + 1
    booked[uuid(0)] = (Booking("a1b2", uuid(0), stranger, "ana", 0.0, 4e9),)
    card, free = ledger.cards(facts)
    assert (card.state, card.bookings, free.state) == (CardState.RESERVED, booked[uuid(0)], CardState.FREE)
    assert card.text.startswith("booked by ana from ")
    refused = ledger.take(LeaseHolder("x", "x"), [uuid(0)], facts)
    assert refused is not None
    assert "booked by ana" in refused
    assert ledger.snapshot(facts)[uuid(0)].state == "reserved"
    booked[uuid(0)] = (replace(booked[uuid(0)][0], uid=ME),)
    assert ledger.take(LeaseHolder("x", "x"), [uuid(0)], facts) is None
    assert ledger.cards(facts)[0].state is CardState.LEASED
    busy = DriverFacts((gpu(0), gpu(1, processes=(process(9),))), world.now())
    booked[uuid(1)] = (Booking("c", uuid(1), stranger, "ana", 0.0, 4e9),)
    assert ledger.cards(busy)[1].state is CardState.EXTERNAL
