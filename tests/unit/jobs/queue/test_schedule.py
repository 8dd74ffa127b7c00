"""Who starts, who waits and for what: one decision."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops_desk.gpus.records.gpu_status import Booking, CardHolder, CardState
from mlops_desk.jobs.queue.forecast import foresee
from mlops_desk.jobs.queue.plan import (
    DEPENDENCY_FAILED,
    NEVER_ENOUGH_GPUS,
    WAITING_FOR_GPUS,
    WAITING_FOR_JOBS,
    WAITING_FOR_QUOTA,
    WAITING_FOR_SLOT,
    WAITING_FOR_TIME,
    Preempted,
)
from mlops_desk.jobs.queue.queue_status import Board
from mlops_desk.jobs.queue.schedule import schedule
from mlops_desk.jobs.queue.view import QueuePolicy, QueueView
from mlops_desk.jobs.records.reason import Reason
from tests.unit.jobs.queue.views import GIB, HOUR, NOW, card, cards, driverless, running, view, wish


def started(view):
    return list(schedule(view).starts)


def test_several_start_at_once_each_on_gpus_of_their_own():
    plan = schedule(view([wish("a", 2, 0), wish("b", 4, 1), wish("c", 1, 2), wish("d", 1, 3)]))
    assert list(plan.starts) == ["a", "b", "c", "d"]
    given_out = [uuid for gpus in plan.starts.values() for uuid in gpus]
    assert len(given_out) == len(set(given_out)) == 8


def test_the_first_that_finds_no_gpus_has_them_kept_and_smaller_ones_do_not_pass_it():
    plan = schedule(view([wish("big", 8, 0), wish("small", 1, 1)], runs=[running("x", 0)]))
    assert not plan.starts
    assert plan.waits["big"].reason == Reason(WAITING_FOR_GPUS, "Needs 8 GPUs, 7 free; first in line.")
    assert (
        plan.waits["small"].reason.text == "Needs 1 GPU; the 7 that are free are kept for big, which is first in line."
    )


def test_a_later_job_goes_first_where_its_time_limit_ends_before_the_gpus_are_needed():
    runs = [running("x", 0, until=NOW + HOUR)]
    fits = wish("fits", 1, 1, seconds=HOUR)
    late = wish("late", 1, 2, seconds=HOUR + 1)
    plan = schedule(view([wish("big", 8, 0), late, fits], runs=runs))
    assert list(plan.starts) == ["fits"]
    assert plan.waits["big"].starts_at == NOW + HOUR
    assert not started(view([wish("big", 8, 0), wish("endless", 1, 1)], runs=runs))


def test_a_later_job_goes_first_on_cards_that_the_first_does_not_need():
    have = (*cards(4), card(4, gib=24), card(5, gib=24))
    runs = [running("x", 0)]
    plan = schedule(view([wish("big", 4, 0, memory_bytes=40 * GIB), wish("small", 1, 1)], have, runs=runs))
    assert plan.starts == {"small": ("GPU-4",)}


def test_no_job_is_put_together_of_kept_cards_and_others():
    have = (*cards(3), card(3, gib=24))
    runs = [running("x", 0, until=NOW + HOUR)]
    jobs = [wish("big", 3, 0, memory_bytes=40 * GIB), wish("two", 2, 1), wish("long", 2, 2, seconds=HOUR + 1)]
    assert not started(view(jobs, have, runs=runs))
    assert started(view([*jobs, wish("short", 2, 3, seconds=HOUR)], have, runs=runs)) == ["short"]


def test_only_as_many_are_kept_as_are_needed_and_the_soonest():
    runs = [running("x", 0, until=NOW + 9 * HOUR), running("y", 1, until=NOW + HOUR)]
    plan = schedule(view([wish("three", 3, 0), wish("one", 1, 1)], cards(4), runs=runs))
    assert set(plan.waits["three"].gpus) == {"GPU-1", "GPU-2", "GPU-3"}
    assert not plan.starts


def test_while_nobody_knows_when_gpus_become_free_only_short_jobs_use_those_that_are_kept():
    jobs = [wish("big", 8, 0), wish("hour", 1, 1, seconds=HOUR + 600), wish("longer", 1, 2, seconds=HOUR + 601)]
    assert started(view(jobs, runs=[running("x", 0)])) == ["hour"]


@pytest.mark.parametrize("state", [CardState.EXTERNAL, CardState.FAULTED, CardState.UNKNOWN])
def test_a_job_that_needs_a_card_which_is_in_nobodys_hands_keeps_nobody_waiting(state):
    holders = (CardHolder("python", "bo", pid=7, external=True),) if state is CardState.EXTERNAL else ()
    have = (card(0, state, text="fell off the bus", holders=holders), *cards(8)[1:])
    plan = schedule(view([wish("big", 8, 0), wish("small", 1, 1)], have))
    assert list(plan.starts) == ["small"]
    why = "python of bo" if holders else "fell off the bus"
    assert plan.waits["big"].reason.text == f"Needs 8 GPUs, 7 free; not in the queue's hands: GPU 0 ({why})."
    assert "GPU-0" not in plan.starts["small"]


BROKEN = {"state": CardState.LEASED, "text": "leased to x, and is broken: it has fallen off the bus", "fix": "Restart."}


def test_a_broken_card_is_kept_for_nobody_while_its_job_has_it_and_is_named():
    have = (card(0, **BROKEN), card(1))
    runs = [running("x", 0, until=NOW + 60), running("y", 1, until=NOW + HOUR)]
    plan = schedule(view([wish("a")], have, runs=runs))
    assert (plan.waits["a"].gpus, plan.waits["a"].starts_at) == (("GPU-1",), NOW + HOUR)
    assert plan.waits["a"].reason.text == (
        "Needs 1 GPU, 0 free; first in line. "
        "Not given out: GPU 0 (leased to x, and is broken: it has fallen off the bus)."
    )
    assert not schedule(view([wish("both", 2)], have, runs=runs)).waits["both"].is_reachable


def test_no_forecast_counts_on_a_broken_card_once_its_job_is_over():
    have = (card(0, **BROKEN), card(1))
    runs = [running("x", 0, until=NOW + 60), running("y", 1, until=NOW + HOUR)]
    found = foresee(view([wish("a"), wish("both", 2, 1)], have, runs=runs))
    assert found["a"] == NOW + HOUR
    assert found.get("both") is None


def test_nobody_is_stopped_for_a_card_that_is_broken():
    have = (card(0, **BROKEN), card(1))
    held = running("held", 0, preemptible=True)
    assert not schedule(view([wish("a", priority=5)], have, runs=[held, running("y", 1)])).preempts
    pair = running("pair", 0, 1, preemptible=True)
    assert not schedule(view([wish("two", 2, priority=5)], have, runs=[pair])).preempts
    both = [held, running("y", 1, preemptible=True)]
    assert [one.job_id for one in schedule(view([wish("a", priority=5)], have, runs=both)).preempts] == ["y"]


@pytest.mark.parametrize("state", [one for one in CardState if one is not CardState.FREE])
def test_only_free_cards_are_given_out(state):
    assert not started(view([wish("a")], (card(0, state),)))
    assert started(view([wish("a")], (card(0),))) == ["a"]


def test_memory_that_is_not_shown_to_be_free_is_not_counted_on():
    assert not started(view([wish("a", memory_bytes=GIB)], (card(0, room_bytes=None),)))
    assert not started(view([wish("a", memory_bytes=40 * GIB)], (card(0, room_bytes=39 * GIB),)))
    assert started(view([wish("a")], (card(0, room_bytes=None),))) == ["a"]


@pytest.mark.parametrize(
    ("asked", "text"),
    [
        ({"gpus": 999}, "Asks for 999 GPUs; this machine has 8."),
        ({"gpus": 2, "memory_bytes": 90 * GIB}, "Asks for 2 GPUs with 90 GiB of memory; this machine has 0."),
        ({"gpus": 1, "model": "H100*"}, "Asks for 1 GPU like H100*; this machine has 0."),
        ({"gpus": 1, "uuids": ("GPU-x",)}, "Asks for 1 GPU (GPU-x); this machine has 0."),
    ],
)
def test_what_this_machine_never_has_is_blocked_and_keeps_nobody_back(asked, text):
    plan = schedule(view([wish("never", at=0, **asked), wish("small", 1, 1)]))
    assert (plan.blocked["never"].class_, plan.blocked["never"].text) == (NEVER_ENOUGH_GPUS, text)
    assert list(plan.starts) == ["small"]


SLICES = (card(7), *(card(7, uuid=f"MIG-{n}", parent="GPU-7", profile="3g.40gb", gib=40) for n in range(2)))


@pytest.mark.parametrize(
    ("have", "asked", "text"),
    [
        ((*cards(7), *SLICES), {"gpus": 8},
         "Asks for 8 GPUs; this machine has 7 whole ones and 1 that is split into 2 MIG instances."),
        ((*cards(1), *SLICES), {"gpus": 9},
         "Asks for 9 GPUs; this machine has 1 whole one and 1 that is split into 2 MIG instances."),
        (SLICES, {"gpus": 3}, "Asks for 3 GPUs; this machine has 0 whole ones and 1 that is split into 2 MIG instances."),
        ((*cards(7), *SLICES), {"gpus": 8, "memory_bytes": GIB},
         "Asks for 8 GPUs with 1 GiB of memory; this machine has 7 whole."),
        ((*cards(7), *SLICES), {"gpus": 1, "memory_bytes": 81 * GIB},
         "Asks for 1 GPU with 81 GiB of memory; this machine has 0."),
    ],
)  # fmt: skip
def test_a_gpu_that_is_split_is_counted_and_told_as_what_it_is(have, asked, text):
    assert schedule(view([wish("never", **asked)], have)).blocked["never"].text == text


def test_without_cards_gpu_jobs_are_blocked_and_without_the_driver_they_wait():
    plan = schedule(view([wish("a"), wish("cpu", 0)], ()))
    assert plan.blocked["a"].text == "Asks for 1 GPU; no GPU is known where it is to run."
    plan = schedule(driverless([wish("a"), wish("cpu", 0), wish("never", 999)]))
    assert list(plan.starts) == ["cpu"]
    assert not plan.blocked
    assert "can't be asked" in plan.waits["a"].reason.text


def test_jobs_without_gpus_pass_those_that_wait_for_some_while_there_are_slots():
    jobs = [wish("big", 9, 0), *(wish(f"cpu{n}", 0, n + 1) for n in range(3))]
    plan = schedule(view(jobs, cards(9), runs=[running("x", 0), running("busy")], slots=3))
    assert list(plan.starts) == ["cpu0", "cpu1"]
    reason = plan.waits["cpu2"].reason
    assert reason.class_ == WAITING_FOR_SLOT
    assert reason.text == "Waits until another job without GPUs has ended; 3 of them run at once."
    assert reason.command == "mlops-desk settings set queue.jobs_without_gpus NUMBER"
    again = schedule(view(jobs, cards(9), runs=[running("x", 0), running("busy")], slots=3))
    assert again.waits["cpu2"].reason is reason  # what is the same is not written down anew


def test_what_queues_by_itself_takes_everything_that_is_ready_in_order():
    jobs = [wish("late", 99, 1), wish("first", 0, 0), wish("important", 1, 2, priority=1)]
    later = wish("tomorrow", begin_at=NOW + HOUR)
    plan = schedule(QueueView(NOW, view(jobs).waiting, (later,), cards=None, slots=None))
    assert list(plan.starts) == ["important", "first", "late"]
    assert set(plan.starts.values()) == {()}


# -- order --------------------------------------------------------------------------------------


def order(jobs, policy=None, runs=()):
    """Start one after the other on a machine with one card."""
    left, found = list(jobs), []
    while left:
        (name,) = schedule(view(left, cards(1), runs=runs, policy=policy)).starts
        found.append(name)
        left = [job for job in left if job.job_id != name]
    return found


@given(st.permutations(range(5)))
def test_larger_priorities_go_first_then_who_came_first(numbers):
    jobs = [wish(f"j{n}", 1, n, priority=10 if n == 3 else 0) for n in numbers]
    assert order(jobs) == ["j3", "j0", "j1", "j2", "j4"]


def test_priorities_at_the_ends_of_integers_are_only_numbers():
    jobs = [wish("low", at=0, priority=-(2**70)), wish("high", at=2, priority=2**70), wish("none", at=1)]
    assert order(jobs) == ["high", "none", "low"]


def test_who_has_used_less_goes_first_within_a_priority():
    jobs = [wish("heavy", at=0, uid=1), wish("light", at=1, uid=2), wish("urgent", at=2, uid=1, priority=1)]
    assert order(jobs, QueuePolicy(usage={1: 50_000.0, 2: 1.0})) == ["urgent", "light", "heavy"]


def test_a_burst_does_not_go_before_another_users_first_job():
    jobs = [*(wish(f"a{n}", 1, n, uid=1) for n in range(4)), wish("b", 1, 9, uid=2)]
    assert started(view(jobs, cards(2))) == ["a0", "b"]


def test_what_somebody_holds_now_counts_from_the_moment_of_its_start():
    jobs = [wish("again", at=0, uid=1), wish("other", at=1, uid=2)]
    runs = [running("x", 1, uid=1, since=NOW)]
    assert started(view(jobs, cards(2), runs=runs)) == ["other"]


def test_whoever_had_no_start_for_too_long_goes_first_and_has_gpus_kept():
    old = replace(wish("old", 2, uid=2, priority=-5), submitted_at=NOW - 86_401)
    jobs = [old, wish("urgent", 1, uid=1, priority=100)]
    plan = schedule(view(jobs, cards(2), runs=[running("x", 0)]))
    assert not plan.starts
    assert set(plan.waits["old"].gpus) == {"GPU-0", "GPU-1"}
    served = QueuePolicy(last_starts={(2, -5): NOW - 60})
    assert started(view(jobs, cards(2), policy=served)) == ["urgent"]


def test_the_overdue_take_turns_by_when_they_were_last_served():
    jobs = [
        replace(wish("a", uid=1), submitted_at=NOW - 200_000),
        replace(wish("b", uid=2), submitted_at=NOW - 100_000),
    ]
    policy = QueuePolicy(last_starts={(1, 0): NOW - 90_000, (2, 0): NOW - 95_000})
    assert started(view(jobs, cards(1), policy=policy)) == ["b"]


def test_a_last_start_that_the_clock_was_set_back_behind_makes_nobody_wait_longer():
    old = replace(wish("old", uid=2, priority=-5), submitted_at=NOW - 86_401)
    policy = QueuePolicy(last_starts={(2, -5): NOW + 10 * 365 * 86_400})
    assert started(view([old, wish("urgent", priority=9)], cards(1), policy=policy)) == ["old"]


# -- what else is waited for ---------------------------------------------------------------------


def test_what_waits_for_a_time_or_for_jobs_starts_when_that_is_over():
    held = [
        wish("later", begin_at=NOW + 1),
        wish("due", begin_at=NOW),
        wish("after", after=("x",)),
        wish("hopeless", hopeless=Reason(DEPENDENCY_FAILED, "Job x failed.")),
        wish("pulled", unready=Reason("image_pulling", "The image is being pulled.")),
    ]
    plan = schedule(view([], held=held))
    assert list(plan.starts) == ["due"]
    assert plan.waits["later"].reason.class_ == WAITING_FOR_TIME
    assert plan.waits["after"].reason == Reason(WAITING_FOR_JOBS, "Waits for the end of x.")
    assert plan.waits["pulled"].reason.class_ == "image_pulling"
    assert plan.blocked["hopeless"].class_ == DEPENDENCY_FAILED


def test_a_quota_holds_back_its_user_alone_and_keeps_no_cards():
    policy = QueuePolicy(gpus_per_user=3)
    jobs = [wish("a", 2, 0), wish("b", 2, 1), wish("other", 2, 2, uid=2), wish("never", 4, 3)]
    plan = schedule(view(jobs, policy=policy, runs=[running("x", 0, uid=9)]))
    assert list(plan.starts) == ["a", "other"]
    assert plan.waits["b"].reason.text == "You hold 2 of the 3 GPUs that one person may hold at once."
    assert plan.blocked["never"].class_ == WAITING_FOR_QUOTA


def test_whoever_asks_for_exactly_what_is_left_of_the_quota_starts():
    mine = running("x", 0, uid=1)
    plan = schedule(view([wish("rest", 2), wish("other", uid=2)], policy=QueuePolicy(gpus_per_user=3), runs=[mine]))
    assert sorted(plan.starts) == ["other", "rest"]
    assert list(schedule(view([wish("all", 3)], policy=QueuePolicy(gpus_per_user=3))).starts) == ["all"]
    assert not schedule(view([wish("more", 3)], policy=QueuePolicy(gpus_per_user=3), runs=[mine])).starts


# -- sharing, slices, bookings -------------------------------------------------------------------


def test_those_who_declare_their_memory_share_a_card_until_it_is_full():
    jobs = [wish(f"s{n}", 1, n, exclusive=False, share_bytes=40 * GIB) for n in range(3)]
    plan = schedule(view(jobs, cards(1)))
    assert plan.starts == {"s0": ("GPU-0",), "s1": ("GPU-0",)}


def test_a_shared_card_is_nobodys_alone_and_one_held_alone_is_not_shared():
    shared = card(0, CardState.SHARED, room_bytes=40 * GIB)
    assert started(view([wish("alone")], (shared,))) == []
    assert started(view([wish("s", exclusive=False, share_bytes=40 * GIB)], (shared,))) == ["s"]
    assert started(view([wish("s", exclusive=False, share_bytes=41 * GIB)], (shared,))) == []
    assert started(view([wish("undeclared", exclusive=False)], (shared,))) == []
    plan = schedule(view([wish("a", at=0), wish("s", at=1, exclusive=False, share_bytes=GIB)], cards(1)))
    assert list(plan.starts) == ["a"]


def test_a_promise_that_the_ledger_does_not_show_yet_is_kept_in_mind():
    promised = running("p", 0, share_bytes=60 * GIB)
    free = (card(0, CardState.SHARED),)
    s = wish("s", exclusive=False, share_bytes=40 * GIB)
    assert started(QueueView(NOW, view([s]).waiting, running=(promised,), cards=free, slots=1)) == []
    noted = (card(0, CardState.SHARED, room_bytes=40 * GIB, holders=(CardHolder("p", job_id="p"),)),)
    assert started(QueueView(NOW, view([s]).waiting, running=(promised,), cards=noted, slots=1)) == ["s"]
    alone = running("q", 0)
    assert started(QueueView(NOW, view([s]).waiting, running=(alone,), cards=cards(1), slots=1)) == []


def test_a_booked_card_is_its_users_and_nobody_runs_into_a_booking():
    mine = Booking("b", "GPU-0", 1, "user1", NOW - 1, NOW + HOUR)
    booked = (card(0, CardState.RESERVED, bookings=(mine,)),)
    assert started(view([wish("other", uid=2)], booked)) == []
    assert started(view([wish("mine", uid=1)], booked)) == ["mine"]
    soon = (card(0, bookings=(Booking("b", "GPU-0", 1, "user1", NOW + HOUR, NOW + 2 * HOUR),)),)
    assert started(view([wish("short", uid=2, seconds=HOUR)], soon)) == ["short"]
    assert started(view([wish("long", uid=2, seconds=HOUR + 1)], soon)) == []
    assert started(view([wish("endless", uid=2)], soon)) == []
    assert started(view([wish("mine", uid=1)], soon)) == ["mine"]


# -- preemption ----------------------------------------------------------------------------------


def cheap(name, *indexes, **more):
    return running(name, *indexes, preemptible=True, **more)


def test_the_youngest_and_least_important_are_stopped_and_no_more_than_needed():
    runs = [
        cheap("old", 0, since=NOW - 9 * HOUR),
        cheap("young", 1, since=NOW - HOUR),
        cheap("important", 2, since=NOW - HOUR, priority=3),
        cheap("pair", 3, 4, since=NOW - 2 * HOUR),
    ]
    plan = schedule(view([wish("urgent", 1, priority=5)], cards(5), runs=runs))
    assert plan.preempts == (Preempted("young", "urgent"),)
    assert plan.waits["urgent"].gpus == ("GPU-1",)
    assert plan.waits["urgent"].reason.text == "Needs 1 GPU, 0 free; young is saved and stopped for it."
    plan = schedule(view([wish("urgent", 2, priority=5)], cards(5), runs=runs))
    assert plan.preempts == (Preempted("pair", "urgent"),)


@pytest.mark.parametrize(
    ("run", "text"),
    [
        (running("x", 0), "nobody said that it may be stopped"),
        (cheap("x", 0, priority=5), "it is as important"),
        (cheap("x", 0, since=NOW - 599), "it has hardly begun"),
        (cheap("x", 0, since=None), "it has not begun"),
        (cheap("x", 0, ending=True, until=NOW + 30), "it is being stopped already"),
        (cheap("x", 0, until=NOW + 60), "it ends in a minute"),
        (cheap("x", 0, share_bytes=GIB), "it is not alone there"),
    ],
)
def test_a_job_is_left_alone_where(run, text):
    assert schedule(view([wish("urgent", priority=5)], cards(1), runs=[run])).preempts == (), text


def test_what_is_being_stopped_already_counts_and_only_what_is_missing_is_stopped_as_well():
    runs = [cheap("x", 0, ending=True, until=NOW + HOUR), cheap("y", 1), cheap("z", 2)]
    plan = schedule(view([wish("urgent", 2, priority=5)], cards(3), runs=runs))
    assert len(plan.preempts) == 1
    assert plan.preempts[0].job_id in {"y", "z"}


def test_nobody_is_stopped_where_it_would_not_be_enough():
    runs = [cheap("x", 0), running("y", 1)]
    assert schedule(view([wish("urgent", 2, priority=5)], cards(2), runs=runs)).preempts == ()


def test_several_urgent_jobs_each_stop_one_and_none_stops_two():
    runs = [cheap(f"x{n}", n) for n in range(3)]
    plan = schedule(view([wish("u1", at=0, priority=5), wish("u2", at=1, priority=5)], cards(3), runs=runs))
    assert sorted(one.by for one in plan.preempts) == ["u1", "u2"]
    assert len({one.job_id for one in plan.preempts}) == 2


def test_whoever_is_stopped_for_a_job_makes_room_for_that_one_alone():
    stopping = cheap("x", 0, ending=True, until=NOW + 30)
    jobs = [wish("urgent", at=0, priority=5), wish("x", at=-100)]
    plan = schedule(view(jobs, cards(1), runs=[stopping]))
    assert not plan.starts
    assert started(view(jobs, cards(1))) == ["urgent"]


def test_whoever_had_to_make_room_before_is_spared_for_longer_and_asked_last():
    once = cheap("once", 0, since=NOW - 1199, times_preempted=1)
    assert schedule(view([wish("urgent", priority=5)], cards(1), runs=[once])).preempts == ()
    ready = replace(once, since=NOW - 1200)
    assert len(schedule(view([wish("urgent", priority=5)], cards(1), runs=[ready])).preempts) == 1
    often = cheap("often", 1, since=NOW - 3600, times_preempted=99)
    assert len(schedule(view([wish("urgent", priority=5)], cards(2), runs=[often, held_by_others(0)])).preempts) == 1
    never = cheap("never", 1, since=NOW - 9 * HOUR)
    plan = schedule(view([wish("urgent", priority=5)], cards(2), runs=[ready, never]))
    assert plan.preempts == (Preempted("never", "urgent"),)


def held_by_others(*indexes):
    return running("others", *indexes)


def test_of_two_that_would_do_the_one_is_stopped_that_frees_no_gpu_in_vain():
    runs = [cheap("wide", 0, 1, 2, 3, since=NOW - HOUR), cheap("narrow", 4, since=NOW - 5 * HOUR)]
    plan = schedule(view([wish("urgent", priority=5)], cards(5), runs=runs))
    assert plan.preempts == (Preempted("narrow", "urgent"),)


def test_nobody_is_stopped_for_gpus_that_are_free_about_as_early_without():
    slow = cheap("slow", 0, grace_seconds=600.0)
    ends = running("ends", 1, until=NOW + 720)
    assert schedule(view([wish("urgent", priority=5)], cards(2), runs=[slow, ends])).preempts == ()
    later = replace(ends, until=NOW + 721)
    plan = schedule(view([wish("urgent", priority=5)], cards(2), runs=[slow, later]))
    assert plan.preempts == (Preempted("slow", "urgent"),)
    assert plan.waits["urgent"].starts_at == NOW + 600


def test_cards_are_kept_until_the_longest_grace_of_those_who_make_room_and_since_their_job_waits():
    pair = [cheap("a", 0, grace_seconds=30.0), cheap("b", 1, grace_seconds=90.0)]
    plan = schedule(view([wish("urgent", 2, at=-500, priority=5)], cards(2), runs=pair))
    assert plan.waits["urgent"].starts_at == NOW + 90
    assert {(kept.since, kept.until, kept.job_id) for kept in plan.kept.values()} == {(NOW - 1500, NOW + 90, "urgent")}
    assert sorted(plan.kept) == ["GPU-0", "GPU-1"]


def test_what_matters_less_is_stopped_before_what_never_made_room():
    before = cheap("less", 0, since=NOW - 9 * HOUR, times_preempted=1)
    plan = schedule(view([wish("urgent", priority=5)], cards(2), runs=[before, cheap("more", 1, priority=1)]))
    assert plan.preempts == (Preempted("less", "urgent"),)


def test_one_job_with_as_many_cards_as_are_needed_goes_before_two_older_ones():
    runs = [cheap("a", 0, since=NOW - 5 * HOUR), cheap("b", 1, since=NOW - 5 * HOUR), cheap("pair", 2, 3)]
    plan = schedule(view([wish("urgent", 2, priority=5)], cards(4), runs=runs))
    assert plan.preempts == (Preempted("pair", "urgent"),)


def test_of_equals_the_youngest_makes_room():
    runs = [cheap("old", 0, since=NOW - 3 * HOUR), cheap("young", 1, since=NOW - HOUR)]
    for order in (runs, runs[::-1]):
        plan = schedule(view([wish("urgent", priority=5)], cards(2), runs=order))
        assert plan.preempts == (Preempted("young", "urgent"),)


def test_a_forecast_counts_the_grace_of_whoever_makes_room():
    slow = cheap("slow", 0, grace_seconds=600.0)
    assert foresee(view([wish("urgent", priority=5)], cards(1), runs=[slow])) == {"urgent": NOW + 600}
    pair = [cheap("a", 0, grace_seconds=30.0), cheap("b", 1, grace_seconds=90.0)]
    assert foresee(view([wish("urgent", 2, priority=5)], cards(2), runs=pair)) == {"urgent": NOW + 90}


def test_a_forecast_waits_until_whoever_makes_room_has_run_long_enough():
    young = cheap("young", 0, since=NOW - 100, grace_seconds=30.0)  # spared for 600 s, twice as long after once
    assert foresee(view([wish("urgent", priority=5)], cards(1), runs=[young])) == {"urgent": NOW + 530}
    again = replace(young, times_preempted=1)
    assert foresee(view([wish("urgent", priority=5)], cards(1), runs=[again])) == {"urgent": NOW + 1130}
    assert foresee(view([wish("equal")], cards(1), runs=[young])) == {}, "nobody stops an equal"
    assert foresee(view([wish("urgent", priority=5)], cards(1), runs=[replace(young, preemptible=False)])) == {}
    sharing = replace(young, share_bytes=8 << 30)
    assert foresee(view([wish("urgent", priority=5)], cards(1), runs=[sharing])) == {}


def test_who_waits_is_told_from_when_a_holder_gives_way_to_it():
    runs = [cheap("young", 0, since=NOW - 100), cheap("old", 1), running("stays", 2), cheap("urgent", 3, priority=5)]
    board = Board(view([wish("a", 4, priority=5), wish("b", 4, at=1)], cards(4), runs=runs))
    told = {one.holder: one.gives_way_at for one in board.place("a").waiting_for}
    assert told == {"young": NOW + 500, "old": NOW - HOUR + 600, "stays": None, "urgent": None}
    assert {one.gives_way_at for one in board.place("b").waiting_for} == {None}


# -- shares --------------------------------------------------------------------------------------


def test_whoever_has_twice_the_weight_may_use_twice_as_much():
    both = [wish("a", uid=1), wish("b", at=1, uid=2)]
    used = {1: 3.0 * HOUR, 2: 2.0 * HOUR}
    assert started(view(both, cards(1), policy=QueuePolicy(used))) == ["b"]
    assert started(view(both, cards(1), policy=QueuePolicy(used, weights={"user1": 2.0}))) == ["a"]
    burst = [*(wish(f"a{n}", at=n, uid=1) for n in range(6)), *(wish(f"b{n}", at=9 + n, uid=2) for n in range(6))]
    shared = started(view(burst, cards(6), policy=QueuePolicy(weights={"user1": 2.0})))
    assert sum(name.startswith("a") for name in shared) == 4


def test_what_a_user_holds_through_another_agent_counts():
    mine = CardHolder("x", "user1", 1, since=NOW - 5 * HOUR)
    have = (card(0, CardState.LEASED, holders=(mine,)), card(1))
    both = [wish("a", uid=1), wish("b", at=1, uid=2)]
    assert started(view(both, have)) == ["b"]
    outside = (card(0, CardState.EXTERNAL, holders=(replace(mine, external=True),)), card(1))
    assert started(view(both, outside)) == ["a"]
    ours = (card(0, CardState.LEASED, holders=(replace(mine, job_id="x"),)), card(1))
    assert started(view(both, ours)) == ["a"]
    limited = schedule(view([wish("a", uid=1)], have, policy=QueuePolicy(gpus_per_user=1)))
    assert limited.waits["a"].reason.class_ == WAITING_FOR_QUOTA


def test_a_job_whose_data_are_on_their_way_is_expected_when_they_are_here_and_not_before():
    def waits(ready_by):
        return replace(wish("a"), unready=Reason("data_staging", "x"), ready_by=ready_by)

    assert foresee(view([], cards(1), held=[waits(NOW + 300.0)])) == {"a": NOW + 300.0}
    assert foresee(view([], cards(1), held=[waits(None)])) == {}
    assert foresee(view([], cards(1), held=[waits(NOW - 10.0)])) == {"a": NOW + 1.0}
    later = replace(waits(NOW + 300.0), begin_at=NOW + 900.0)
    assert foresee(view([], cards(1), held=[later])) == {"a": NOW + 900.0}
    # The decision itself never takes it for ready.
    assert schedule(view([], cards(1), held=[waits(NOW - 10.0)])).starts == {}


def test_of_a_long_queue_the_first_fifty_are_told_why_they_wait():
    plan = schedule(
        view([wish(f"j{n:02}", 4, n, seconds=HOUR - n) for n in range(60)], runs=[running("r", 0, 1, 2, 3, 4)])
    )
    assert list(plan.waits) == [f"j{n:02}" for n in range(50)]
