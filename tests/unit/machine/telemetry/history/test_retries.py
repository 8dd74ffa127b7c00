"""What failed is tried again: soon once there is room, seldom while there is none or room does not help."""

from hypothesis import given
from hypothesis import strategies as st

from mlops_desk.machine.telemetry.history.disk import LONGEST_SECONDS, SOON_SECONDS, Retrying

FAILURES = st.lists(st.tuples(st.floats(0.0, 1e6), st.booleans()), max_size=20)


def after(failures: list[tuple[float, bool]]) -> tuple[Retrying, float]:
    """Return what remembers these failures (pauses before each, room or not), and when the last one was."""
    retrying, now = Retrying(), 1000.0
    for pause, room in failures:
        now += pause
        retrying.failed(now, room=room)
    return retrying, now


def test_what_works_is_always_due() -> None:
    retrying = Retrying()
    assert retrying.is_due(0.0, room=False)
    retrying.failed(5.0, room=False)
    retrying.done()
    assert retrying.is_due(5.0, room=False)


@given(FAILURES)
def test_nothing_waits_longer_than_the_longest_pause_whatever_the_disk_says(failures: list[tuple[float, bool]]) -> None:
    retrying, now = after(failures)
    for room in (True, False):
        assert retrying.is_due(now + LONGEST_SECONDS + 1e-6, room=room)  # sums of times are rounded


@given(FAILURES)
def test_room_after_a_full_disk_is_used_at_once_and_a_full_disk_is_left_alone(
    failures: list[tuple[float, bool]],
) -> None:
    retrying, now = after([*failures, (1.0, False)])
    assert retrying.is_due(now + SOON_SECONDS, room=True)
    assert not retrying.is_due(now + LONGEST_SECONDS - 0.1, room=False)


def test_failures_with_room_are_tried_more_and_more_seldom() -> None:
    pauses = []
    for count in range(1, 7):
        retrying, now = after([(1.0, True)] * count)
        pauses.append(next(s for s in range(100) if retrying.is_due(now + s, room=True)))
    assert pauses == [3, 6, 12, 24, 30, 30]
