"""Which mirrors go for the others' sake: what nobody looks at first, and never so that none gets to its end."""

from collections.abc import Sequence

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mlops_desk.registry.mirror.mirrors import Held, beyond_budget, for_one_more

GB = 1 << 30
LIMIT = GB - (128 << 20)  # a look before the budget is full
NOW = 1000.0


def held(
    key: str, unused_seconds: float, size_bytes: int = 100 << 20, *, opened: float = 0.0, busy: bool = False
) -> Held[str]:
    return Held(key, opened, NOW - unused_seconds, size_bytes, busy)


def test_the_longest_unused_go_first_and_no_more_than_must() -> None:
    three = [held("a", 90, 400 << 20), held("b", 60, 400 << 20), held("c", 10, 400 << 20)]
    assert beyond_budget(three, NOW) == ["a"]
    assert for_one_more(three, NOW) == ["a"]
    assert beyond_budget(three[1:], NOW) == []
    assert for_one_more(three[1:], NOW) == []
    assert beyond_budget([*three[:2], held("c", 10, LIMIT - 1)], NOW) == ["a", "b"]


def test_what_fills_the_budget_to_the_byte_stays() -> None:
    assert beyond_budget([held("a", 90, LIMIT - 5), held("b", 10, 5)], NOW) == []
    assert beyond_budget([held("a", 90, LIMIT - 5), held("b", 10, 6)], NOW) == ["a"]


def test_one_that_is_being_asked_and_the_one_asked_last_stay_however_large_they_are() -> None:
    assert beyond_budget([held("a", 90, 2 * GB, busy=True), held("b", 80, 5)], NOW) == []
    assert beyond_budget([held("a", 90, 2 * GB, busy=True), held("b", 80, 5), held("c", 1, 5)], NOW) == ["b"]
    assert beyond_budget([held("alone", 90, 2 * GB)], NOW) == []
    assert for_one_more([held("alone", 90, 2 * GB)], NOW) == ["alone"]
    assert for_one_more([held("alone", 90, 2 * GB, busy=True)], NOW) == []


def test_eight_small_ones_stay_together_and_a_ninth_is_the_end_of_the_longest_unused() -> None:
    eight = [held(str(n), 90 - n, 1 << 20) for n in range(8)]
    assert for_one_more(eight[:7], NOW) == []
    assert for_one_more(eight, NOW) == ["0"]
    assert beyond_budget(eight, NOW) == []


def test_of_those_that_are_looked_at_who_was_opened_last_goes_so_that_the_others_are_read_to_their_end() -> None:
    listed = [held(key, 0.01 * at, 280 << 20, opened=opened) for at, (key, opened) in
              enumerate([("last", 1.0), ("new", 9.0), ("old", 2.0), ("middle", 5.0)])]  # fmt: skip
    assert beyond_budget(listed, NOW) == ["new"]
    left = [held("left", 5.1, 300 << 20, opened=0.5), *listed]
    assert beyond_budget(left, NOW) == ["left", "new"], "what was left before those that are looked at"


MIRRORS = st.lists(
    st.tuples(st.floats(0, 200), st.integers(0, GB), st.booleans(), st.floats(0, 100)), max_size=10
).map(lambda rows: [Held(n, at, NOW - unused, size, busy) for n, (unused, size, busy, at) in enumerate(rows)])  # fmt: skip


@given(MIRRORS)
@example([Held(0, 0.0, NOW, 2 * GB, False), Held(1, 0.0, NOW, 2 * GB, False)])
def test_what_stays_is_within_the_budget_or_can_not_go(all_of_them: Sequence[Held[int]]) -> None:
    gone = beyond_budget(all_of_them, NOW)
    assert len(gone) == len(set(gone))
    stay = [one for one in all_of_them if one.key not in gone]
    newest = max((one.used_at for one in all_of_them), default=0.0)
    could_go = [one for one in stay if not one.is_busy and one.used_at < newest]
    assert not could_go or (sum(one.resident_bytes for one in stay) <= LIMIT and len(stay) <= 8)
    assert all(not one.is_busy and one.used_at < newest for one in all_of_them if one.key in gone)
    if gone:
        needless = next(one for one in all_of_them if one.key == gone[-1])
        with_it = sum(one.resident_bytes for one in [*stay, needless])
        assert with_it > LIMIT or len(stay) >= 8, "one went that need not have gone"
    assert len([one for one in all_of_them if one.key not in for_one_more(all_of_them, NOW) and not one.is_busy]) <= 7


@pytest.mark.parametrize("choose", [beyond_budget, for_one_more])
def test_where_there_are_none_none_goes(choose: object) -> None:
    assert choose([], NOW) == []  # type: ignore[operator]  # either of the two
