"""Whatever is told one after the other is heard as it was told, and what did not change is not told again."""

import json
from dataclasses import dataclass, field, replace

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops_desk.kit.base.deltas import BadPatch, Listener, Teller
from mlops_desk.machine.records.gpu import Gpu, GpuProcess, GpuState, LeaseInfo, NvLink
from mlops_desk.machine.records.host import Disk, Host
from mlops_desk.machine.records.metric import MetricState, Reading
from mlops_desk.machine.records.status import Sample

TEXT = st.text(max_size=8)
NUMBERS = st.floats(allow_nan=False, allow_infinity=False)
READINGS = st.one_of(
    st.builds(Reading, NUMBERS, st.just("W"), st.just(MetricState.OK)),
    st.builds(Reading, st.none(), st.just("W"), st.sampled_from([MetricState.LOST, MetricState.ASLEEP])),
)
METRICS = st.dictionaries(st.sampled_from(["hw.power", "hw.temperature", "hw.energy"]), READINGS)
GPUS = st.builds(
    Gpu,
    uuid=TEXT,
    index=st.integers(0, 7),
    name=TEXT,
    pci_bus_id=st.none() | TEXT,
    state=st.sampled_from(GpuState),
    lease=st.none() | st.builds(LeaseInfo, state=TEXT, uid=st.none() | st.integers(0, 9)),
    metrics=METRICS,
    processes=st.lists(st.builds(GpuProcess, st.integers(1, 9), TEXT, TEXT, st.none() | st.integers(0, 9))).map(tuple),
    throttle_reasons=st.lists(TEXT, max_size=2).map(tuple),
    links=st.lists(st.builds(NvLink, st.integers(0, 3), TEXT, metrics=METRICS), max_size=2).map(tuple),
    peers=st.dictionaries(TEXT, TEXT, max_size=2),
)
SAMPLES = st.builds(
    Sample,
    sequence=st.integers(0, 9),
    sampled_at=NUMBERS,
    gpus=st.lists(GPUS, max_size=2).map(tuple),
    host=st.builds(Host, name=TEXT, metrics=METRICS),
    disks=st.lists(st.builds(Disk, name=TEXT, model=st.none() | TEXT, metrics=METRICS), max_size=2).map(tuple),
    gpu_note=st.none() | TEXT,
)


def as_json(patch: object) -> object:
    return json.loads(msgspec.json.encode(patch))


def as_msgpack(patch: object) -> object:
    return msgspec.msgpack.decode(msgspec.msgpack.encode(patch))


@dataclass(frozen=True)
class Notes:
    """A mapping in which something may be there and be nothing."""

    by_name: dict[str, float | None]


@given(st.lists(st.dictionaries(st.sampled_from("abc"), st.none() | NUMBERS), min_size=1, max_size=6))
def test_what_is_nothing_is_told_to_be_there(courses):
    teller, listener = Teller(), Listener(Notes)
    for notes in map(Notes, courses):
        assert listener.hear(as_json(teller.tell(notes))) == notes


@pytest.mark.slow
@pytest.mark.parametrize(
    ("over", "whole"),
    [(as_json, frozenset()), (as_msgpack, frozenset()), (as_msgpack, frozenset({GpuProcess, Disk, NvLink}))],
    ids=["json", "msgpack", "whole"],
)
@given(samples=st.lists(SAMPLES, min_size=1, max_size=4))
def test_what_is_told_is_heard(over, whole, samples):
    teller, listener = Teller(whole), Listener(Sample)
    for sample in samples:
        assert listener.hear(over(teller.tell(sample))) == sample


@dataclass(frozen=True)
class Shelf:
    """Several of them."""

    notes: tuple[Notes, ...]
    name: str = ""


@dataclass(frozen=True, slots=True)
class Note:
    text: str
    marks: dict[str, int] = field(default_factory=dict)
    items: tuple[int, ...] = ()


def told(*notes):
    teller = Teller()
    return [teller.tell(note) for note in notes][-1]


def test_only_what_changed_is_told():
    first = Note("a", {"x": 1, "y": 2}, (1, 2, 3))
    assert told(first, first) == [1, {}]
    assert told(first, Note("a", {"x": 1, "y": 2}, (1, 2, 3))) == [1, {}]
    assert told(first, replace(first, text="b")) == "b"
    assert told(first, replace(first, marks={"x": 1, "z": 3})) == [1, {1: [2, {"z": [0, 3]}, ["y"]]}]
    assert told(first, replace(first, marks={"y": 2, "x": 4})) == [1, {1: [2, {"x": 4}, []]}]
    assert told(first, replace(first, items=(1, 5, 3))) == [1, {2: [3, {1: 5}]}]
    assert told(first, replace(first, text="b", items=())) == [1, {0: "b", 2: [0, ()]}]
    reading = Reading(1.0, "W")
    assert told(reading, Reading(2.5, "W")) == 2.5
    assert told(reading, Reading(2.5, "V")) == [1, {0: 2.5, 1: "V"}]
    assert told(reading, Reading(None, "W", MetricState.LOST)) == [1, {0: [0, None], 2: [0, "lost"]}]


def test_what_is_to_be_told_whole_is_so_when_anything_of_it_changed():
    parts = Notes({"a": 1.0}), Notes({"a": 2.0}), Notes({"a": 2.0})
    teller = Teller(frozenset({Notes}))
    packed = msgspec.msgpack.encode
    assert [teller.tell(notes) for notes in parts][1:] == [[0, packed(parts[1])], [1, {}]]
    tuples = [Shelf((one, parts[0])) for one in parts]
    teller = Teller(frozenset({Notes}))
    assert [teller.tell(shelf) for shelf in tuples][1:] == [[1, {0: [0, packed(tuples[1].notes)]}], [1, {}]]


@pytest.mark.parametrize(
    "patch",
    [
        [0, {"text": 5}],
        [1, {"0": [0, "b"]}],
        [9],
        [],
        None,
        [0],
        "text",
        [2, {}, []],
        [0, {"text": "a", "marks": 3}],
        [0, b"\xc1"],
        [0, b""],
    ],
)
def test_a_patch_that_fits_nothing_is_refused(patch):
    with pytest.raises(BadPatch):
        Listener(Note).hear(patch)


@pytest.mark.parametrize(
    "patch",
    [
        [1, {"7": [0, 1]}],
        [1, {"0": [0, 1]}],
        [1, {"2": [3, {"9": [0, 1]}]}],
        [2, {}, ["q"]],
        5,
        [1, {"0": 5}],
        [1, {"1": "text"}],
        [1, {"1": [2, {"x": 1}, []]}],
        [1, {"2": [3, {"0": "text"}]}],
    ],
)
def test_a_patch_that_does_not_fit_what_was_heard_is_refused(patch):
    listener = Listener(Note)
    listener.hear(Teller().tell(Note("a", {}, (1,))))
    with pytest.raises(BadPatch):
        listener.hear(patch)
