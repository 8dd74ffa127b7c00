"""What an agent's scheduler does about the jobs of other agents that wait: which GPUs it keeps, for whom, and until when."""

from dataclasses import replace

import pytest

from mlops_desk.gpus.records.gpu_request import Need
from mlops_desk.gpus.records.gpu_status import Booking, CardHolder, CardState
from mlops_desk.jobs.queue.forecast import foresee
from mlops_desk.jobs.queue.plan import Promise
from mlops_desk.jobs.queue.queue_status import Board
from mlops_desk.jobs.queue.schedule import schedule
from mlops_desk.jobs.queue.words import clock
from mlops_desk.jobs.records.waiter import Waiter
from mlops_desk.jobs.run.fair_queue import REDEEM_SECONDS, Patience
from tests.unit.jobs.queue.views import GIB, HOUR, NOW, card, cards, running, view, wish

RESNET = Waiter("aaaa", 7, "ana", NOW - 600, "resnet", Need(4))
OURS = Waiter("bbbb", 1, "user1", NOW - 900, "mine", Need(1), job_id="mine")


def held(index, uid=9, until=None):
    return card(index, CardState.LEASED, room_bytes=0, holders=(CardHolder("x", f"u{uid}", uid, until=until),))


def plan_of(wishes, have, *waiters, **more):
    return schedule(view(wishes, have, waiters=waiters, **more))


def test_gpus_are_kept_for_another_agents_job_and_it_is_said_for_whose_and_since_when():
    have = (*cards(3), held(3))
    plan = plan_of([wish("a")], have, RESNET)
    assert plan.starts == {}
    text = f"Needs 1 GPU; GPUs 0, 1, 2 and 1 more are kept for ana's job resnet, which has waited since {clock(NOW - 600)}."
    assert plan.waits["a"].reason.text == text
    kept = plan.kept["GPU-2"]
    assert (kept.user, kept.name, kept.since, kept.job_id) == ("ana", "resnet", NOW - 600, None)
    board = Board(view([wish("a")], have, waiters=(RESNET,)))
    told = [(one.gpu, one.holder, one.user, one.is_kept) for one in board.place("a").waiting_for]
    assert told[0] == ("GPU-0", "resnet", "ana", True)
    assert told[3] == ("GPU-3", "x", "u9", False)
    one = plan_of([wish("a")], [card(3)], replace(RESNET, need=Need(1)))
    assert one.waits["a"].reason.text.startswith("Needs 1 GPU; GPU 3 is kept for ana's job resnet, which")


def test_a_job_that_ends_before_the_last_of_them_is_free_may_start():
    have = (*cards(3), held(3, until=NOW + HOUR))
    plan = plan_of(
        [wish("long"), wish("short", at=1, seconds=HOUR), wish("late", at=2, seconds=HOUR + 1)], have, RESNET
    )
    assert set(plan.starts) == {"short"}
    unknown = plan_of([wish("short", seconds=4200.0), wish("late", at=2, seconds=4201.0)], (*cards(3), held(3)), RESNET)
    assert set(unknown.starts) == {"short"}


def test_what_it_does_not_need_is_given_out():
    plan = plan_of([wish("a"), wish("b", at=1)], cards(5), RESNET)
    assert plan.starts == {"a": ("GPU-4",)}
    assert plan.promises[0].is_ready


def test_only_the_first_of_those_who_could_use_the_same_cards_has_them_kept():
    second = Waiter("bbbb", 8, "bo", NOW - 500, "bert", Need(2))
    plan = plan_of([wish("a")], cards(8), RESNET, second)
    assert [one.waiter.user for one in plan.promises] == ["ana"]
    assert len(plan.starts) == 1
    apart = replace(second, need=Need(1, model="rtx*"))
    both = plan_of([], (*cards(4), card(4, name="RTX 4090")), RESNET, apart)
    assert [(one.waiter.user, one.gpus) for one in both.promises][1] == ("bo", ("GPU-4",))


def test_whoever_of_ours_has_waited_longer_goes_first():
    have = cards(4)
    first = plan_of([wish("mine"), wish("next", at=1)], have, OURS, RESNET)
    assert (set(first.starts), first.used_turns) == ({"mine"}, {1})
    behind = plan_of([wish("mine")], have, RESNET, replace(OURS, since=NOW - 300))
    assert (behind.starts, behind.used_turns) == ({}, frozenset())


def test_our_place_serves_in_our_own_order_and_no_further_than_the_first_that_cannot_start():
    urgent = plan_of([wish("mine"), wish("urgent", at=9, priority=5)], cards(4), OURS, RESNET)
    assert (set(urgent.starts), urgent.used_turns) == ({"urgent"}, {1})
    have = (*cards(3), held(3))
    large = plan_of([wish("large", 4), wish("small", at=1)], have, replace(OURS, need=Need(4)), RESNET)
    assert large.starts == {}
    assert large.heads[1].job_id == "large"
    rtx = (*have, card(4, name="RTX 4090", gib=24))
    others = replace(RESNET, need=Need(1, model="rtx*"))
    apart = [wish("large", 4, memory_bytes=40 * GIB), wish("small", at=1)]
    assert plan_of(apart, rtx, OURS, others).starts == {}


def test_a_start_that_nobody_could_have_minded_leaves_the_place():
    plan = plan_of([wish("mine")], cards(6), OURS, RESNET)
    assert (plan.starts, plan.used_turns) == ({"mine": ("GPU-4",)}, frozenset())


def test_our_place_is_for_our_user_only():
    plan = plan_of([wish("other", uid=2), wish("mine", at=1)], cards(4), OURS, RESNET)
    assert set(plan.starts) == {"mine"}


def test_a_job_that_needs_a_card_in_nobodys_hands_keeps_none_back():
    for state in (CardState.EXTERNAL, CardState.FAULTED, CardState.UNKNOWN):
        assert set(plan_of([wish("a")], (*cards(3), card(3, state)), RESNET).starts) == {"a"}
    assert set(plan_of([wish("a")], cards(3), RESNET).starts) == {"a"}


def test_ones_own_running_job_without_an_end_is_not_for_others_to_pay_for():
    assert set(plan_of([wish("a")], (*cards(3), held(3, uid=7)), RESNET).starts) == {"a"}
    assert plan_of([wish("a")], (*cards(3), held(3, uid=7, until=NOW + HOUR)), RESNET).starts == {}
    assert plan_of([wish("a")], (*cards(3), held(3, uid=7), held(4, uid=9)), RESNET).starts == {}


def test_our_important_job_stops_no_other_for_a_card_that_is_kept():
    have = (held(0), held(1))
    runs = [running("victim", 0, uid=1, preemptible=True), running("x", 1, uid=1)]
    urgent = [wish("urgent", priority=5)]
    assert plan_of(urgent, have, replace(RESNET, need=Need(2)), runs=runs).preempts == ()
    assert plan_of(urgent, have, replace(RESNET, need=Need(3)), runs=runs).preempts != ()
    ending = [running("ending", 0, uid=1, preemptible=True, ending=True, until=NOW + 9 * HOUR), *runs[1:]]
    last = [replace(runs[0], gpus=("GPU-2",))]
    wide = [wish("urgent", 2, priority=5)]
    assert plan_of(wide, (*have, held(2)), replace(RESNET, need=Need(1)), runs=[*ending, *last]).preempts == ()
    mine = replace(OURS, job_id="urgent")
    assert plan_of(urgent, have, mine, replace(RESNET, need=Need(2)), runs=runs).preempts != ()


def test_a_forecast_reckons_with_those_of_other_agents():
    have = (*cards(3), held(3, until=NOW + HOUR))
    limited = replace(RESNET, seconds=2 * HOUR)
    assert foresee(view([wish("a")], have, waiters=(limited,))) == {"a": NOW + 3 * HOUR}
    assert foresee(view([wish("a")], have, waiters=(RESNET,))) == {}
    assert foresee(view([wish("a"), wish("b", at=1)], cards(4), waiters=(OURS, limited))) == {"a": NOW}
    two = [wish("a", seconds=60.0), wish("b", at=1)]
    # One of ours by our place, then all four for those behind it, then the other of ours.
    assert foresee(view(two, cards(4), waiters=(OURS, limited))) == {"a": NOW, "b": NOW + 60 + 2 * HOUR}


def test_a_dry_run_knows_of_them_and_says_what_would_start_now():
    have = (*cards(3), held(3, until=NOW + 2 * HOUR))
    (place,), sooner = Board(view([], have, waiters=(RESNET,))).preview([wish("new")])
    assert "kept for ana's job resnet" in place.reason.text
    assert ("timeLimit", "1h") in {(one.field, one.value) for one in sooner}


def test_bookings_and_memory_count_for_those_of_others_too():
    booked = tuple(replace(one, bookings=(Booking("b", one.uuid, 7, "ana", NOW - 5, NOW + HOUR),)) for one in cards(4))
    assert plan_of([], booked, RESNET).promises[0].is_ready
    elses = tuple(replace(one, bookings=(Booking("b", one.uuid, 5, "eve", NOW + 5, NOW + HOUR),)) for one in cards(4))
    assert not plan_of([], elses, RESNET).promises[0].is_ready
    small = replace(RESNET, need=Need(1, memory_bytes=60 * GIB))
    assert plan_of([], (card(0, gib=40), card(1)), small).promises[0].gpus == ("GPU-1",)


# -- how long ------------------------------------------------------------------------------------


def promised(uid=7, *, idle=True, ready=False, id_="aaaa"):
    return Promise(replace(RESNET, uid=uid, id=id_), ("GPU-0",), NOW, ready, idle)


@pytest.mark.parametrize("limit", [HOUR, 10 * HOUR])
def test_cards_stay_unused_for_a_user_no_longer_than_the_limit_and_then_are_not_until_half_has_come_back(limit):
    patience, now = Patience(lambda: limit), 1e6
    patience.note([], now)
    while patience.heeded([RESNET]):
        now += 30
        patience.note([promised()], now)
    assert limit - 60 <= now - 1e6 <= limit + 60
    begun = now
    while not patience.heeded([RESNET]):
        now += 30
        patience.note([], now)
    assert limit / 2 - 60 <= now - begun <= limit / 2 + 60


def test_what_nobody_looked_at_was_kept_from_nobody():
    patience = Patience(lambda: HOUR)
    patience.note([promised()], 0.0)
    patience.note([promised()], 1e6)
    assert patience.heeded([RESNET]) == (RESNET,)


def test_who_does_not_start_though_everything_is_free_steps_back():
    patience = Patience(lambda: HOUR)
    patience.note([promised(ready=True)], 1e6)
    patience.note([promised(ready=True)], 1e6 + REDEEM_SECONDS)
    assert patience.heeded([RESNET]) == (RESNET,)
    patience.note([promised(ready=True)], 1e6 + REDEEM_SECONDS + 1)
    assert patience.heeded([RESNET]) == ()
    assert patience.heeded([replace(RESNET, uid=8)]) != ()
    patience.note([], 1e6 + REDEEM_SECONDS + 2)
    assert patience.heeded([replace(RESNET, id="bbbb")]) == ()  # a paper that is written anew is the same user's


def test_who_was_ready_and_is_not_any_more_begins_anew():
    patience = Patience(lambda: HOUR)
    for at in (0, 100, 200, 300):
        patience.note([promised(ready=at % 200 == 0)], 1e6 + at)
    assert patience.heeded([RESNET]) == (RESNET,)


def test_where_nothing_is_to_be_kept_nobody_is_heeded_and_our_own_place_stands():
    assert Patience(lambda: 0.0).heeded([OURS, RESNET]) == (OURS,)
