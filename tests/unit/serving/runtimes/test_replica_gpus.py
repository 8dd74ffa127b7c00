"""Which GPUs a replica gets, and what is said where there are too few."""

import threading
from collections.abc import Callable
from dataclasses import replace
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops_desk.gpus.records.gpu_status import CardHolder, CardState, GpuCard
from mlops_desk.jobs.records.waiter import KeptFor
from mlops_desk.kit.base.errors import Unavailable
from mlops_desk.serving.revision import Failed, Interrupted
from mlops_desk.serving.runtimes.fit import GpuFit, overhead_bytes
from mlops_desk.serving.runtimes.gpus import DRIVER_SECONDS, ReplicaClaim, ReplicaGpus, choose, shortage

GIB = 1 << 30


def card(index: int, state: CardState = CardState.FREE, **more: object) -> GpuCard:
    return GpuCard(f"GPU-{index}", index, "Test GPU", state, room_bytes=24 * GIB, **more)


class Leases:
    """A ledger that says what a test has it say."""

    pool = "machine"

    def __init__(self, cards: tuple[GpuCard, ...], refusal: str | None = None) -> None:
        self.shown, self.refusal = cards, refusal
        self.taken: dict[str, tuple[str, ...]] = {}
        self.is_silent = False

    def cards(self) -> tuple[GpuCard, ...]:
        if self.is_silent:
            raise Unavailable("The GPU driver can't be asked, so no GPU is given out.")
        return self.shown

    def lease(self, holder, gpus):
        if self.refusal is not None:
            return self.refusal
        self.taken[holder.attempt_id] = gpus
        return gpus

    def keep(self, holder, gpus, pid=None):
        return self.taken.get(holder.attempt_id) == gpus

    def settle(self) -> None: ...

    def release(self, attempt_id: str) -> None:
        if self.is_silent:
            raise Unavailable("The lease of a GPU could not be written.")
        self.taken.pop(attempt_id, None)


def claim(count: int = 1, weights_bytes: int = 0) -> ReplicaClaim:
    return ReplicaClaim("box-front-r1", "front", 1000, count, GpuFit(weights_bytes, GIB, count))


@given(st.lists(st.sampled_from(CardState), max_size=9), st.integers(1, 4))
def test_only_free_ones_are_chosen_and_all_of_them_or_none(states: list[CardState], count: int) -> None:
    cards = [card(index, state) for index, state in enumerate(states)]
    chosen = choose(cards, count)
    free = states.count(CardState.FREE)
    assert (chosen is None) == (free < count)
    if chosen is not None:
        assert len({one.uuid for one in chosen}) == count
        assert {one.state for one in chosen} == {CardState.FREE}


def test_those_that_are_near_to_one_another_go_together() -> None:
    near = {("GPU-1", "GPU-3"), ("GPU-0", "GPU-2")}
    cards = [
        card(i, peers={f"GPU-{j}": 0 if {f"GPU-{i}", f"GPU-{j}"} in map(set, near) else 5 for j in range(4) if j != i})
        for i in range(4)
    ]
    for count in (1, 2):
        chosen = choose(cards, count)
        assert chosen is not None
        assert [one.index for one in chosen] == [0, 2][:count]
    assert len(list(combinations(cards, 2))) == 6


def test_whole_ones_come_first_instances_are_not_mixed_with_them_and_a_kept_one_is_left() -> None:
    parts = [card(index, parent="GPU-9") for index in (4, 5)]
    whole = card(7)
    assert choose([*parts, whole], 1) == (whole,)
    assert choose([*parts, whole], 2) == tuple(parts)
    assert choose([*parts, whole], 3) is None
    assert choose([card(0, kept=KeptFor("job-1", "train", "eve", 0.0))], 1) is None


def cut(index: int, *states: CardState) -> tuple[GpuCard, ...]:
    """Return a GPU that is cut into instances, as the ledger shows it: leased as soon as one of them is."""
    whole = CardState.FREE if {*states} <= {CardState.FREE} else CardState.LEASED
    parts = [
        replace(card(index, state, parent=f"GPU-{index}", profile="1g.6gb"), uuid=f"MIG-{index}-{number}")
        for number, state in enumerate(states)
    ]
    return (card(index, whole), *(replace(part, room_bytes=6 * GIB) for part in parts))


def test_of_a_gpu_that_is_cut_a_replica_gets_an_instance_and_never_the_whole() -> None:
    free, leased = CardState.FREE, CardState.LEASED
    assert ReplicaGpus(Leases(cut(0, free, free, free))).take(claim()) == ("MIG-0-0",)
    assert ReplicaGpus(Leases((*cut(0, leased, free), *cut(1, free)))).take(claim()) == ("MIG-0-1",)
    assert ReplicaGpus(Leases((*cut(0, free, free), card(1)))).take(claim()) == ("GPU-1",), "a whole one is whole"
    with pytest.raises(Failed, match="does not fit") as large:
        ReplicaGpus(Leases(cut(0, free, free))).take(claim(1, 10 * GIB))
    assert "GPU 0 has 6.0 GiB free" in large.value.reason.text
    with pytest.raises(Failed, match=r"none of 2 is free\. GPU 0 \(1g\.6gb\): held by"):
        ReplicaGpus(Leases(tuple(
            replace(one, holders=(CardHolder("train", "eve"),)) for one in cut(0, leased, leased)
        ))).take(claim())  # fmt: skip
    assert ReplicaGpus(Leases(cut(0, leased, free))).look(GpuFit(0, GIB, 1))[0] == (cut(0, leased, free)[2],)


def test_it_is_said_who_has_them() -> None:
    held = card(0, CardState.LEASED, holders=(CardHolder("train", "eve"),))
    text = shortage([held, card(1, CardState.EXTERNAL, text="used by python"), card(2)], 2)
    assert text == ("A replica needs 2 GPUs, and 1 of 3 is free. GPU 0: held by train of eve; GPU 1: used by python.")
    assert shortage([held, card(1)], 3) == "A replica needs 3 GPUs, and only 2 are on this machine."


def test_what_cannot_be_had_fails_with_the_reason() -> None:
    for leases, wanted, class_, words in (
        (None, claim(), "no_gpu", "No GPU can be given"),
        (Leases((card(0, CardState.LEASED),)), claim(), "no_gpu", "none of 1 is free"),
        (Leases((card(0),), "It is booked."), claim(), "no_gpu", "It is booked."),
        (Leases((card(0),)), claim(1, 24 * GIB), "does_not_fit", "24.0 GiB of files"),
        (Leases((card(0), card(1))), claim(2, 47 * GIB), "does_not_fit", "of each GPU (47.0 GiB of files over 2"),
    ):
        with pytest.raises(Failed) as failed:
            ReplicaGpus(leases).take(wanted)
        assert failed.value.reason.class_ == class_
        assert words in failed.value.reason.text
    silent = Leases((card(0),))
    silent.is_silent = True
    ReplicaGpus(silent).release("box-front-r1")  # the lease ends with the container all the same


class Patience(threading.Event):
    """Stands for the agent's end, which never comes: time passes only here, and ``then`` happens in the second wait."""

    def __init__(self, then: Callable[[], object] = lambda: None) -> None:
        super().__init__()
        self.at, self.waits, self.then = 0.0, 0, then

    def wait(self, timeout: float | None = None) -> bool:
        self.at += timeout or 0.0
        self.waits += 1
        if self.waits == 2:
            self.then()
        return self.is_set()


def unknown(text: str) -> GpuCard:
    return card(0, CardState.UNKNOWN, text=text)


def test_while_the_driver_shows_nothing_it_is_waited_for() -> None:
    new = Leases((card(0),))
    new.is_silent = True  # an agent that has only just started
    hiccup = Leases((unknown("the GPU driver can't be asked"),))
    comes_back = (lambda: setattr(new, "is_silent", False), lambda: setattr(hiccup, "shown", (card(0),)))
    for leases, then in zip((new, hiccup), comes_back, strict=True):
        patience, told = Patience(then), list[str]()
        gpus = ReplicaGpus(leases, ending=patience, clock=lambda patience=patience: patience.at)
        assert gpus.take(claim(), tell=told.append) == ("GPU-0",)
        assert patience.waits == 2
        assert told[0] == "how the GPUs stand is not known just now: the driver is waited for"
        assert len(told) == 2, "it is said once"


def test_a_driver_that_stays_silent_is_told_after_a_while_and_is_no_shortage() -> None:
    for leases in (Leases((unknown("the GPU driver can't be asked"),)), Leases(())):
        leases.is_silent = not leases.shown
        patience = Patience()
        gpus = ReplicaGpus(leases, ending=patience, clock=lambda patience=patience: patience.at)
        with pytest.raises(Failed, match="has not shown for 60 s how any GPU stands") as failed:
            gpus.take(claim())
        assert failed.value.reason.class_ == "no_gpu"
        assert patience.at == DRIVER_SECONDS
        with pytest.raises(Unavailable):
            gpus.check(1)


def test_nobody_waits_where_one_gpu_is_known_nor_when_the_agent_ends() -> None:
    patience = Patience()
    some = Leases((unknown("the driver says lost"), card(1, CardState.LEASED)))
    with pytest.raises(Failed, match="none of 2 is free"):
        ReplicaGpus(some, ending=patience).take(claim())
    with pytest.raises(Failed, match="none of 2 is free"):
        ReplicaGpus(some, ending=patience).check(1)
    assert patience.waits == 0
    patience.set()
    with pytest.raises(Interrupted):
        ReplicaGpus(Leases((unknown("silent"),)), ending=patience).take(claim())


def test_the_one_that_is_large_enough_is_taken_and_it_is_said_before_it_is_leased() -> None:
    leases = Leases((replace(card(0), room_bytes=8 * GIB), card(1), card(2, CardState.LEASED)))
    told: list[tuple[str, bool]] = []
    gpus = ReplicaGpus(leases).take(claim(1, 20 * GIB), tell=lambda text: told.append((text, bool(leases.taken))))
    assert gpus == ("GPU-1",)
    said = "needs about 25.0 GiB of its GPU (20.0 GiB of files, about 1024 MiB for CUDA and the framework)"
    assert told == [(f"{said}; GPU 1 has 24.0 GiB free: it may be too little", False)]
    assert ReplicaGpus(Leases((replace(card(0), room_bytes=None),))).take(claim(1, 90 * GIB)) == ("GPU-0",)


def test_two_halves_fit_where_the_whole_does_not() -> None:
    leases = Leases((card(0), card(1)))
    with pytest.raises(Failed, match="does not fit") as failed:
        ReplicaGpus(leases).take(claim(1, 40 * GIB))
    assert "GPU 0 has 24.0 GiB free; GPU 1 has 24.0 GiB free" in failed.value.reason.text
    assert failed.value.reason.hint is not None
    assert "--gpus 2" in failed.value.reason.hint
    assert leases.taken == {}
    assert ReplicaGpus(leases).take(claim(2, 40 * GIB)) == ("GPU-0", "GPU-1")


@pytest.mark.parametrize(
    ("flavors", "mebibytes"),
    [(("onnx",), 300), (("xgboost",), 300), (("pytorch",), 1031), (("onnx", "transformers"), 1031), ((), 1031)],
)
def test_what_a_framework_takes_of_each_gpu(flavors: tuple[str, ...], mebibytes: int) -> None:
    assert overhead_bytes(flavors) == mebibytes << 20


def test_what_another_endpoint_had_lent_is_not_free_and_ones_own_comes_first() -> None:
    cards = tuple(card(index) for index in range(3))
    own = {"GPU-0": "other", "GPU-2": "front"}
    assert ReplicaGpus(Leases(cards), lambda: own).take(claim()) == ("GPU-2",)
    assert ReplicaGpus(Leases(cards), lambda: own).take(claim(2)) == ("GPU-1", "GPU-2")
    with pytest.raises(Failed, match="kept for endpoint other, which had lent it"):
        ReplicaGpus(Leases(cards), lambda: own).take(claim(3))


def test_one_that_starts_again_keeps_its_own() -> None:
    leases = Leases((card(0), card(1)))
    gpus = ReplicaGpus(leases)
    assert gpus.take(claim(0)) == ()
    assert leases.taken == {}
    leases.taken["box-front-r1"] = ("GPU-1",)
    assert gpus.take(claim(), ("GPU-1",)) == ("GPU-1",)
    leases.taken.clear()
    assert gpus.take(claim(), ("GPU-1",)) == ("GPU-0",), "somebody else has had it meanwhile"
    gpus.release("box-front-r1")
    assert leases.taken == {}
