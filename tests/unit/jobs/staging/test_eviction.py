"""Who has to go for a new copy, and what each kind of thing may take of the disk: pure."""

from hypothesis import example, given
from hypothesis import strategies as st

from mlops_desk.jobs.runtimes.disk_shares import shares
from mlops_desk.jobs.staging.eviction import UNDER_WAY, HeldCopy, Limits, over_budget, plan_room, taken_bytes

COPIES = st.lists(st.tuples(st.integers(0, 50), st.integers(0, 9)), max_size=6).map(
    lambda found: [HeldCopy(f"c{number}", size, float(at)) for number, (size, at) in enumerate(found)]
)
RANKS = st.dictionaries(st.sampled_from([f"c{number}" for number in range(6)]), st.integers(UNDER_WAY, 5))


@given(st.integers(0, 120), COPIES, RANKS, st.integers(0, 5), st.integers(0, 150), st.none() | st.integers(0, 150))
@example(10, [HeldCopy("c0", 10, 1.0)], {"c0": UNDER_WAY}, 0, 10, None)
@example(10, [HeldCopy("c0", 10, 1.0)], {"c0": 0}, 0, 10, None)
@example(10, [HeldCopy("c0", 10, 1.0)], {"c0": 1}, 0, 10, None)
def test_what_goes_is_enough_and_never_what_an_earlier_job_uses(need, held, ranks, asking, budget, free):
    used = sum(one.frees_bytes for one in held)
    plan = plan_room(need, held, used, Limits(budget, 7, free), ranks, asking)
    sizes = {one.id: one.frees_bytes for one in held}
    for copy in plan.evict:
        assert ranks.get(copy, asking + 1) > asking
    freed = sum(sizes[copy] for copy in plan.evict)
    room = budget - used + freed
    on_disk = room if free is None else free - 7 + freed
    if plan.missing_bytes:
        assert plan.evict == ()  # nothing goes for nothing
        may_go = sum(size for copy, size in sizes.items() if ranks.get(copy, asking + 1) > asking)
        assert min(budget - used, (budget - used) if free is None else free - 7) + may_go < need
    else:
        assert min(room, on_disk) >= need


def test_unused_copies_go_before_those_of_later_jobs_and_the_oldest_of_them_first():
    held = [HeldCopy("later", 5, 1.0), HeldCopy("old", 5, 2.0), HeldCopy("new", 5, 3.0), HeldCopy("last", 5, 0.0)]
    ranks = {"later": 3, "last": 4}
    limits = Limits(20, 0, None)
    assert plan_room(5, held, 20, limits, ranks, 0).evict == ("old",)
    assert plan_room(15, held, 20, limits, ranks, 0).evict == ("old", "new", "last")
    assert plan_room(10, held, 20, limits, ranks, 0, kept=["old"]).evict == ("new", "last")


def test_it_is_told_whether_budget_or_disk_is_lacking():
    assert plan_room(10, [], 0, Limits(4, 0, 100), {}, 0).by_budget
    plan = plan_room(10, [], 0, Limits(100, 3, 6), {}, 0)
    assert (plan.by_budget, plan.missing_bytes) == (False, 7)


@given(COPIES, st.integers(0, 300), st.sets(st.sampled_from([f"c{number}" for number in range(6)])))
def test_a_smaller_budget_takes_what_nobody_uses(held, budget, used):
    total = sum(one.frees_bytes for one in held)
    gone = over_budget(held, total, budget, used)
    assert used.isdisjoint(gone)
    left = total - sum(one.frees_bytes for one in held if one.id in gone)
    assert left <= budget or all(one.id in used or one.id in gone for one in held)


@given(st.integers(0, 100), st.integers(0, 60), st.integers(0, 60), st.integers(0, 60))
@example(0, 4, 10, 100)
@example(14, 4, 10, 100)
@example(13, 4, 10, 100)
def test_the_parts_keep_within_the_whole_and_data_give_way_first(whole, logs, snapshots, staging):
    found = shares(whole, logs, snapshots, staging)
    if whole == 0:
        assert found.whole == logs + snapshots + staging
        return
    assert found.whole <= whole
    assert found.logs <= logs
    assert found.snapshots <= snapshots
    assert found.staging <= staging
    if logs + snapshots <= whole:
        assert (found.logs, found.snapshots) == (logs, snapshots)
    else:
        assert found.staging == 0


def test_a_copy_takes_whole_blocks_and_holes_take_nothing():
    assert (taken_bytes(1, 0), taken_bytes(4097, 8192), taken_bytes(1 << 30, 4096), taken_bytes(0, 0)) == (
        4096, 8192, 4096, 0,
    )  # fmt: skip
