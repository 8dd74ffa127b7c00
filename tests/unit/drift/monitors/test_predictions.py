"""Which windows answers are pinned by: quiet ones in a row that have enough rows, the newest such."""

import pytest

from mlops_desk.drift.monitors.predictions import QuietRows, quiet_rows, standing_of_predictions
from mlops_desk.drift.monitors.time_format import at
from mlops_desk.drift.records.monitors import HeldAnswers, JudgedWindow, Monitor
from mlops_desk.drift.records.sources import Source, SourceKind
from mlops_desk.drift.records.verdict import Verdict

OK, WARNING, DRIFT, FEW = Verdict.OK, Verdict.WARNING, Verdict.DRIFT, Verdict.INSUFFICIENT_DATA


def windows(*told):
    return [
        JudgedWindow(f"w{at}", "m", 100.0 * at, 100.0 * at + 90.0, n, verdict, False, {}, number=at)
        for at, (verdict, n) in enumerate(told)
    ]


@pytest.mark.parametrize(
    ("told", "found"),
    [
        ([], None),
        ([(DRIFT, 900)], None),
        ([(FEW, 20), (DRIFT, 900)], None),
        ([(OK, 200)], QuietRows(0.0, 90.0, 200)),
        ([(OK, 200), (WARNING, 300)], QuietRows(0.0, 190.0, 500)),
        ([(OK, 200), (FEW, 10), (OK, 300)], QuietRows(0.0, 290.0, 500)),
        ([(OK, 400), (DRIFT, 400), (OK, 400)], QuietRows(200.0, 290.0, 400)),
        ([(OK, 300), (OK, 300), (DRIFT, 400), (OK, 400)], QuietRows(0.0, 190.0, 600)),
        ([(OK, 600), (DRIFT, 400), (OK, 700), (DRIFT, 400)], QuietRows(200.0, 290.0, 700)),
    ],
)
def test_the_newest_quiet_windows_in_a_row_with_enough_rows(told, found):
    assert quiet_rows(windows(*told)) == found


@pytest.mark.parametrize(
    ("n_rows", "told"),
    [(512, "the model's first 512 answers in windows"), (None, "the model's first answers in windows")],
)
def test_answers_that_were_kept_say_which_they_are_and_how_many_where_that_is_known(n_rows, told):
    held = HeldAnswers(("prediction",), is_logged=False, start=1000.0, end=2000.0, n_rows=n_rows)
    found = standing_of_predictions(Monitor("m", "m", Source(SourceKind.LOG, "churn"), held_answers=held), ())
    assert told in found.sentence
    assert f"({at(1000.0)} to {at(2000.0)})" in found.sentence


def test_while_it_waits_it_says_for_what_and_how_far_that_is():
    found = standing_of_predictions(Monitor("m", "m", Source(SourceKind.LOG, "churn")), windows((OK, 120)))
    assert (
        "Its first 500 answers in windows without drift will be kept for that; there are 120 so far." in found.sentence
    )
