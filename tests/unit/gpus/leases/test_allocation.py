"""Which GPUs are given out, as a table and as properties."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops_desk.gpus.leases.allocation import Claim, DriverFacts, is_display, standing
from mlops_desk.gpus.leases.survey import room_of
from mlops_desk.gpus.records.gpu_status import CardState
from mlops_desk.machine.records.gpu import GpuState
from mlops_desk.machine.records.metric import MetricState, Reading
from tests.unit.gpus.leases.world import GIB, gpu, process

LEASED = Claim(CardState.LEASED, "leased to train of alice")


def facts(*gpus, seen_at: float = 100.0) -> DriverFacts:
    return DriverFacts(tuple(gpus), seen_at)


@pytest.mark.parametrize("state", [state for state in GpuState if state not in {GpuState.OK, GpuState.ASLEEP}])
def test_what_the_driver_does_not_vouch_for_is_not_given_out(state: GpuState) -> None:
    broken = state in {GpuState.LOST, GpuState.RESET_REQUIRED}
    assert standing(gpu(0, state=state), None, facts())[0] is (CardState.FAULTED if broken else CardState.UNKNOWN)


def test_a_sleeping_gpu_is_given_out() -> None:
    assert standing(gpu(0, state=GpuState.ASLEEP, gib=None), None, facts())[0] is CardState.FREE


def test_a_sleeping_gpu_is_given_to_who_needs_no_more_memory_than_it_has() -> None:
    asleep = gpu(0, state=GpuState.ASLEEP, gib=24)
    asleep = replace(asleep, metrics={**asleep.metrics, "hw.gpu.memory.usage": Reading(None, "By", MetricState.ASLEEP)})
    assert room_of(asleep, CardState.FREE, None, facts()).room_bytes == 24 * GIB


def test_who_waits_for_a_sleeping_gpu_of_unknown_size_is_told_how_it_is_woken() -> None:
    asleep = gpu(0, state=GpuState.ASLEEP, gib=None)
    told = "asleep, and how much memory it has was not seen since the agent's start (nvidia-smi wakes it)"
    assert standing(asleep, None, facts()) == (CardState.FREE, told)
    assert room_of(asleep, CardState.FREE, None, facts()).room_bytes is None
    assert standing(gpu(0, state=GpuState.ASLEEP), None, facts())[1] == "free"


def test_somebody_elses_computing_makes_it_external_and_is_named() -> None:
    state, text = standing(gpu(0, processes=(process(4242, "/usr/bin/python3 train.py"),)), None, facts())
    assert state is CardState.EXTERNAL
    assert text == "used by python3 (pid 4242) of eve, which holds no lease"


@pytest.mark.parametrize(
    "command", ["/usr/lib/xorg/Xorg -core :0", "Xwayland", "/usr/bin/gnome-shell", "kwin_wayland", "sway"]
)
def test_the_screen_does_not_make_it_external(command: str) -> None:
    assert is_display(process(command=command))
    assert (
        standing(gpu(0, processes=(process(command=command), process(command="game", kind="graphics"))), None, facts())[
            0
        ]
        is CardState.FREE
    )


@pytest.mark.parametrize("command", [None, "", "python", "/home/eve/gnome-shell-miner", "Xorg2"])
def test_what_is_not_known_to_be_the_screen_counts_as_computing(command: str | None) -> None:
    assert not is_display(process(command=command))


@pytest.mark.parametrize(
    ("released_at", "seen_at", "started", "expected"),
    [
        (None, 100.0, None, CardState.DRAINING),  # nobody has written down when it ended
        (100.0, 100.0, None, CardState.DRAINING),  # the look is from before the end
        (100.0, 101.0, None, CardState.FREE),
        (100.0, 101.0, 50, CardState.DRAINING),  # still there from before
        (100.0, 101.0, 150, CardState.EXTERNAL),  # somebody new
    ],
)
def test_draining_ends_when_a_later_look_shows_nothing_left(released_at, seen_at, started, expected) -> None:
    left = () if started is None else (process(start_ticks=started * 100),)
    claim = Claim(CardState.DRAINING, "still being freed", released_at)
    assert standing(gpu(0, processes=left), claim, facts(seen_at=seen_at))[0] is expected


def test_a_process_of_unknown_age_keeps_it_draining() -> None:
    claim = Claim(CardState.DRAINING, "still being freed", 100.0)
    assert standing(gpu(0, processes=(process(),)), claim, facts(seen_at=101.0))[0] is CardState.DRAINING


def test_memory_must_be_there_and_free() -> None:
    screen = process(kind="graphics", gib=20)
    cards = (
        gpu(0, gib=8), gpu(1, gib=24, used_gib=20, processes=(screen,)), gpu(2, gib=None), gpu(3, gib=24, used_gib=0.5)
    )  # fmt: skip
    rooms = [room_of(card, CardState.FREE, None, facts()).room_bytes for card in cards]
    assert rooms == [8 * GIB, 4 * GIB, None, 23.5 * GIB]
    assert room_of(cards[0], CardState.LEASED, LEASED, facts()).room_bytes == 0


def test_memory_that_no_process_holds_is_not_given_out() -> None:
    state, text = standing(gpu(0, gib=80, used_gib=70), None, facts())
    assert state is CardState.UNKNOWN
    assert text == "70 GiB of its memory are in use by no process that the driver shows"
    drained = Claim(CardState.DRAINING, "still being freed", 50.0)
    assert standing(gpu(0, gib=80, used_gib=70), drained, facts())[0] is CardState.UNKNOWN


def test_memory_that_the_screen_holds_is_nobodys_secret() -> None:
    screen = process(command="Xorg", kind="graphics", gib=3)
    assert standing(gpu(0, used_gib=3.5, processes=(screen,)), None, facts())[0] is CardState.FREE
    assert standing(gpu(0, used_gib=9, processes=(screen,)), None, facts())[0] is CardState.UNKNOWN


CLAIMS = st.none() | st.sampled_from(
    [LEASED, Claim(CardState.UNKNOWN, "?"), Claim(CardState.DRAINING, "d", 50.0), Claim(CardState.DRAINING, "d")]
)
CARD = st.tuples(st.sampled_from(GpuState), st.sampled_from([None, 8, 24]), st.integers(0, 8), st.booleans(), CLAIMS)


@given(CARD)
def test_whatever_is_free_is_empty_and_vouched_for_and_nobodys(card) -> None:
    state, size, used, busy, claim = card
    shown = gpu(0, state=state, gib=size, used_gib=used, processes=(process(),) if busy else ())
    stands, text = standing(shown, claim, facts(shown))
    assert text
    if stands is not CardState.FREE:
        assert room_of(shown, stands, claim, facts(shown)).room_bytes == 0
        return
    assert state in {GpuState.OK, GpuState.ASLEEP}
    assert not shown.processes
    assert claim is None or (claim.standing is CardState.DRAINING and claim.released_at is not None)
    assert shown.metrics.get("hw.gpu.memory.usage", Reading(0, "By")).value < GIB
