"""When a GPU is asked less: only when the driver really is slow, the costliest question first, and never for ever."""

from hypothesis import given
from hypothesis import strategies as st

from mlops_desk.gpus import ledger_watch
from mlops_desk.machine.telemetry.nvml import reader
from mlops_desk.machine.telemetry.nvml.query_budget import BUDGET, Budget, QuestionLane


def run(budget: Budget, start: float, seconds: int, costs: dict[str, float]) -> float:
    """Tick once a second; a lane costs its seconds whenever it is due."""
    now = start
    for _ in range(seconds):
        spent = 0.0
        for lane in budget.lanes:
            if now >= lane.due:
                lane.spend(costs.get(lane.title, 0.0))
                spent += costs.get(lane.title, 0.0)
                lane.ask_again(now)
        budget.count(now, spent)
        now += 1.0
    return now


def lanes() -> Budget:
    return Budget([QuestionLane("clocks", 0.0), QuestionLane("processes", 2.0), QuestionLane("the fan", 5.0)])


def test_the_costliest_question_is_asked_less_often_and_that_is_said() -> None:
    budget = lanes()
    run(budget, 100.0, 14, {"clocks": 0.001, "processes": 0.02})
    assert {lane.title: lane.stretch for lane in budget.lanes} == {"clocks": 1, "processes": 4, "the fan": 1}
    assert "processes every 8 s" in (budget.note() or "")


def test_a_slow_start_and_a_single_slow_call_change_nothing() -> None:
    budget = lanes()
    now = run(budget, 100.0, 2, {"clocks": 0.5})
    now = run(budget, now, 30, {"clocks": 0.001})
    budget.count(now, 0.2)
    run(budget, now + 1, 30, {"clocks": 0.001})
    assert budget.note() is None


def test_a_question_that_stays_costly_stays_rare() -> None:
    budget = lanes()
    now = run(budget, 100.0, 200, {"clocks": 0.9})
    assert budget.lanes[0].stretch == 64
    run(budget, now, 600, {"clocks": 0.9})
    assert budget.lanes[0].stretch == 64


def test_a_driver_that_recovered_is_asked_as_often_as_before() -> None:
    budget = lanes()
    now = run(budget, 100.0, 40, {"clocks": 0.9})
    assert budget.lanes[0].stretch > 4
    run(budget, now, 400, {"clocks": 0.0001})
    assert budget.note() is None


@given(st.lists(st.floats(0, 2), min_size=3, max_size=3))
def test_no_question_is_ever_given_up(costs: list[float]) -> None:
    budget = lanes()
    titles = [lane.title for lane in budget.lanes]
    now = run(budget, 100.0, 200, dict(zip(titles, costs, strict=True)))
    for lane in budget.lanes:
        assert lane.due - now <= 64 * max(1.0, lane.seconds)


def test_within_the_budget_nothing_is_left_out() -> None:
    budget = lanes()
    run(budget, 100.0, 300, {"clocks": BUDGET * 0.9})
    assert budget.note() is None


def test_a_question_that_others_wait_for_grows_no_rarer_than_it_may_and_the_next_one_gives_way() -> None:
    budget = Budget([QuestionLane("clocks", 0.0), QuestionLane("processes", 2.0, most_stretch=4)])
    now = run(budget, 100.0, 200, {"clocks": 0.1, "processes": 0.9})
    assert [lane.stretch for lane in budget.lanes] == [64, 4]
    run(budget, now, 600, {"clocks": 0.0001, "processes": 0.9})
    assert [lane.stretch for lane in budget.lanes] == [1, 4], "what is dear holds up nothing that is cheap again"


def test_who_uses_a_gpu_is_asked_often_enough_to_give_gpus_out() -> None:
    """On a busy machine each call seems slow; asked every 32 s, no list was new enough, and no GPU was given out."""
    assert reader._PROCESS_SECONDS * reader._PROCESS_STRETCH + 1.0 < ledger_watch._STALE_FACTS_SECONDS
