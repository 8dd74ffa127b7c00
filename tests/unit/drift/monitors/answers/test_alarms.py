"""What is said of answers, window after window: when they alarm, when that ends, and what stays of what was said."""

from dataclasses import replace

import pytest

from mlops_desk.drift.monitors.answers.alarms import MOST_SAID, spans_after, told_anew
from mlops_desk.drift.monitors.answers.answer_columns import GivenAnswers, with_answers
from mlops_desk.drift.monitors.answers.worker_protocol import AnswersFacts, WatchLimit
from mlops_desk.drift.records.answers import AnswerColumns, AnswersState, ScoredWindow
from mlops_desk.drift.records.monitors import Monitor
from mlops_desk.drift.records.performance import Direction, Figure, PredictionKind, ReferenceLevel, RowCounts
from mlops_desk.drift.records.sources import Reference, ReferenceKind, Source, SourceKind
from mlops_desk.kit.base.errors import Invalid

FACTS = AnswersFacts(
    PredictionKind.CLASSIFICATION,
    reference={"accuracy": ReferenceLevel(0.9)},
    limits={"score": WatchLimit(0.5, 20, 20)},
)
MONITOR = Monitor("m", "churn", Source(SourceKind.LOG, "churn"), endpoint="churn")


def window(number, value=0.9, side=None, used=200, rise=None):
    outside = {} if side is None else {"accuracy": side}
    watched = {} if rise is None else {"score": (200.0, rise, 0.0, 0.0, rise, 200.0, rise, 0.0, 200.0) + (0.0,) * 9}
    return ScoredWindow(
        f"w{number}", "m", number * 100.0, number * 100.0 + 99, 200, number, AnswersState.UNLABELLED,
        counts=RowCounts(200, used, 200 - used), figures={"accuracy": Figure(value if used else None)},
        outside=outside, watched=watched, means={"score": 0.7},
    )  # fmt: skip


def told(*windows, facts=FACTS):
    return told_anew([], windows, facts, 5000.0)


WORSE, BETTER = Direction.WORSE, Direction.BETTER


@pytest.mark.parametrize(
    ("sides", "alarms"),
    [
        ([WORSE], [False]),
        ([WORSE, WORSE], [False, True]),
        ([WORSE, None, WORSE], [False, False, True]),
        ([WORSE, None, None, WORSE], [False] * 4),
        ([WORSE, WORSE, None], [False, True, True]),
        ([WORSE, WORSE, None, None], [False, True, True, False]),
        ([WORSE, WORSE, None, WORSE, None], [False, True, True, True, True]),
        ([BETTER, BETTER, BETTER], [False] * 3),
        ([WORSE, BETTER, BETTER], [False] * 3),
    ],
)
def test_it_takes_two_of_three_and_two_calm_ones_end_it(sides, alarms):
    assert [one.alarm for one in told(*(window(at, side=side) for at, side in enumerate(sides)))] == alarms


def test_one_good_window_among_bad_ones_does_not_say_that_the_answers_are_good():
    found = told(*(window(at, side=side) for at, side in enumerate([WORSE, WORSE, None, None])))
    assert found[2].alarm
    assert found[2].why.startswith("Only the newest window is as good as the reference again; 2 in a row end this.")
    assert (found[3].alarm, found[3].why[:44]) == (False, "The answers are as good as the reference's. ")


def test_windows_without_labels_say_neither_and_are_passed_over():
    found = told(window(0, side=WORSE), window(1, used=0), window(2, used=29, side=WORSE), window(3, side=WORSE))
    assert [one.alarm for one in found] == [False, False, False, True]
    assert [one.state for one in found[1:3]] == [AnswersState.UNLABELLED, AnswersState.INSUFFICIENT]
    assert found[3].turned_at == 0.0
    ended = told(*found, *(window(at, used=0) for at in (4, 5, 6)))
    assert ended[-1].alarm


def test_a_score_that_has_changed_alarms_without_labels_and_ends_without_them():
    found = told(*(window(at, used=0, rise=rise) for at, rise in enumerate((15.0, 15.0, 0.0, 0.0))))
    assert [one.alarm for one in found] == [False, True, True, False]
    (change,) = found[1].changes
    assert (change.what, change.direction, change.since, change.before, change.now) == ("score", "risen", 0.0, 0.5, 0.7)
    assert found[1].of_score
    assert found[1].turned_at == 0.0
    assert "score" not in found[1].carried
    assert "The score has risen (0.5 → 0.7)" in found[1].why


def test_errors_that_fall_ring_nobody():
    facts = replace(FACTS, limits={"error": WatchLimit(0.5, 20, 20)})
    state = (0.0,) * 9 + (200.0, 30.0, 0.0, 0.0, 30.0, 200.0, 30.0, 0.0, 200.0)
    (found,) = told(replace(window(0), watched={"error": state}), facts=facts)
    assert [(one.what, one.direction) for one in found.changes] == [("error", "fallen")]
    assert (found.state, found.alarm) == (AnswersState.FINE, False)


def test_without_levels_there_is_nothing_to_hold_against():
    found = told(window(0), window(1), facts=AnswersFacts())
    assert {one.state for one in found} == {AnswersState.NO_REFERENCE}
    assert not found[-1].alarm


def test_telling_again_what_was_told_changes_nothing():
    once = told(window(0, side=WORSE), window(1, side=WORSE), window(2, used=0))
    assert told_anew([], once, FACTS, 9999.0) == once
    assert told_anew(once[:1], once[1:], FACTS, 9999.0) == once[1:]


def test_what_was_said_first_stays_however_often_labels_come():
    (found,) = told(window(0, used=40))
    for n in range(41, 100):
        counts = RowCounts(200, n, 200 - n)
        (found,) = told_anew([], [replace(found, counts=counts)], FACTS, float(n))
    assert len(found.said) == MOST_SAID
    assert (found.said[0].n_used, found.said[-1].n_used, found.n_late) == (40, 99, 59)


def test_a_request_cut_by_a_window_counts_from_where_that_ended():
    first, second, third = (replace(window(at), window_start=start, window_end=end) for at, start, end in ((1, 0.0, 9.0), (2, 9.0, 12.0), (3, 13.0, 20.0)))  # fmt: skip
    assert spans_after([first, second, third]) == {"w1": None, "w2": 9.0, "w3": None}


def test_what_a_person_says_of_answers():
    made = with_answers(MONITOR, GivenAnswers(label="churned", scores="a,b", task="classification"))
    assert made.answers == AnswerColumns("churned", None, ("a", "b"), None, PredictionKind.CLASSIFICATION)
    assert with_answers(MONITOR, GivenAnswers(label="churned")).answers.prediction == "prediction"
    more = with_answers(made, GivenAnswers(start=1.0, end=2.0))
    assert more.answers == made.answers
    assert more.answers_reference == Reference(ReferenceKind.PINNED, start=1.0, end=2.0)
    assert with_answers(more, GivenAnswers(label="")).answers is None
    assert with_answers(more, GivenAnswers(scores="")) is more


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (GivenAnswers(prediction="said"), "Nothing says what turned out"),
        (GivenAnswers(label="x", prediction="x"), "can't be label and answer at once"),
        (GivenAnswers(label="x", task="ranking"), "'ranking' is no task"),
        (GivenAnswers(label="x", start=1.0), "needs two ends"),
        (GivenAnswers(label="x", start=2.0, end=1.0), "needs two ends"),
        (GivenAnswers(label="x", file="/f", start=1.0, end=2.0), "held against one thing"),
    ],
)
def test_what_can_not_be_meant_is_refused(given, said):
    with pytest.raises(Invalid, match=said):
        with_answers(MONITOR, given)


def test_answers_of_files_are_refused_with_what_to_use_instead():
    of_files = replace(MONITOR, source=Source(SourceKind.FILE, "/srv/x"))
    with pytest.raises(Invalid, match="Only the answers of an endpoint"):
        with_answers(of_files, GivenAnswers(label="churned"))
