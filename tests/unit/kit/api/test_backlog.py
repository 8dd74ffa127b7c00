"""Who comes back hears all that was announced meanwhile, each thing in its newest state, or that it is too much."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mlops_desk.kit.api.backlog import Backlog, LastHeard, Numbered, mark_of
from mlops_desk.kit.base.bus import Bus
from mlops_desk.kit.base.errors import Invalid
from mlops_desk.machine.records.event import Event, Heartbeat, Notice, RuleRemoved, Sampled

KINDS = st.lists(st.sampled_from(["rule-a", "rule-b", "rule-c", "notice", "sample", "beat"]), max_size=12)


def event(kind: str, number: int) -> Event:
    if kind.startswith("rule"):
        return RuleRemoved(kind)
    if kind == "sample":
        return Sampled(None)  # type: ignore[arg-type]  # nobody looks into it
    return Heartbeat(1.0) if kind == "beat" else Notice("info", "jobs", str(number))


@pytest.mark.slow
@given(KINDS, KINDS, st.integers(1, 6))
@example(["rule-a"], ["rule-b", "rule-a", "sample"], 6)
@example([], ["notice", "notice"], 1)
@example(["notice"], ["rule-a", "rule-a", "rule-a"], 1)
@example(["notice", "notice"], [], 1)
def test_what_was_missed_is_told_in_order_or_known_to_be_lacking(before: list[str], meanwhile: list[str], kept: int):
    bus = Bus()
    backlog = Backlog(bus, kept)
    for number, kind in enumerate(before):
        bus.publish(event(kind, number))
    with backlog.joined(None) as joined:
        assert (joined.complete, joined.missed) == (False, ())
        mark = LastHeard(backlog.epoch, joined.seq)
    sent = [event(kind, number) for number, kind in enumerate(meanwhile)]
    for one in sent:
        bus.publish(one)
    newest: dict[object, Event] = {}
    for number, one in enumerate(sent):
        if not isinstance(one, (Sampled, Heartbeat)):
            newest.pop(one.key, None)
            newest[number if one.key is None else one.key] = one
    with backlog.joined(mark) as again:
        if again.complete:
            assert [one.event for one in again.missed] == list(newest.values())
        else:
            assert again.missed == ()
        assert again.complete == (len(newest) <= kept or len(sent) == 0)
        numbers = [one.seq for one in again.missed]
        assert numbers == sorted(numbers)
        assert all(mark.seq < number <= again.seq for number in numbers)
        bus.publish(Notice("info", "jobs", "next"))
        (live,) = again.mailbox.take(0)
        assert isinstance(live, Numbered)
        assert live.seq == again.seq + 1


def test_another_life_and_what_was_never_told_are_nothing_to_go_on_from() -> None:
    bus = Bus()
    backlog = Backlog(bus)
    bus.publish(Notice("info", "jobs", "one"))
    for mark in (LastHeard("0" * 32, 1), LastHeard(backlog.epoch, 2)):
        with backlog.joined(mark) as joined:
            assert not joined.complete
    with backlog.joined(LastHeard(backlog.epoch, 1)) as joined:
        assert joined.complete
    assert backlog.listeners == 0


@pytest.mark.parametrize("text", ["x", "1:2", f"{'a' * 32}:", f"{'a' * 32}:-1", f"{'a' * 32}:1:2", f"{'g' * 32}:1"])
def test_what_does_not_say_what_was_heard_is_refused(text: str) -> None:
    with pytest.raises(Invalid, match="what was heard last"):
        mark_of(text)


def test_a_mark_is_read_as_it_is_written() -> None:
    assert mark_of(f"{'0a' * 16}:17") == LastHeard("0a" * 16, 17)
    assert mark_of("") is None
