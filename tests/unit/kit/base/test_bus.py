"""Everybody hears, the deaf don't matter, the newest wins."""

import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops_desk.kit.base.bus import Bus, Mailbox


def test_a_failing_subscriber_does_not_keep_others_from_hearing(caplog: pytest.LogCaptureFixture) -> None:
    bus, heard = Bus(), []
    bus.subscribe(int, lambda _event: 1 / 0)
    bus.subscribe(int, heard.append)
    bus.subscribe(object, heard.append)
    with caplog.at_level(logging.CRITICAL):
        bus.publish(3)
    assert heard == [3, 3]


def test_after_unsubscribing_nothing_is_heard() -> None:
    bus, heard = Bus(), []
    stop = bus.subscribe(int, heard.append)
    stop()
    stop()
    bus.publish(1)
    assert heard == []


@given(st.lists(st.tuples(st.sampled_from("ab"), st.integers())))
def test_a_mailbox_keeps_the_newest_of_each_key_in_order_of_arrival(events: list[tuple[str, int]]) -> None:
    mailbox = Mailbox(lambda event: event[0])
    for event in events:
        mailbox.put(event)
    last = {key: (key, value) for key, value in events}
    taken = mailbox.take(0)
    assert sorted(taken) == sorted(last.values())
    if events:
        assert taken[-1] == events[-1]


def test_events_without_a_key_all_count_up_to_the_limit() -> None:
    mailbox = Mailbox(lambda _event: None, limit=3)
    for number in range(5):
        mailbox.put(number)
    assert mailbox.take(0) == [2, 3, 4]
    assert mailbox.dropped == 2


def test_the_newest_of_a_key_comes_last() -> None:
    mailbox = Mailbox(lambda event: event[0])
    for event in [("a", 1), ("b", 2), ("a", 3)]:
        mailbox.put(event)
    assert mailbox.take(0) == [("b", 2), ("a", 3)]
