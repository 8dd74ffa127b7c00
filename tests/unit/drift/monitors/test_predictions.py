"""Which windows answers are pinned by: quiet ones in a row that have enough rows, the newest such."""

import pytest

from mlops_desk.drift.monitors.predictions import QuietRows, quiet_rows
from mlops_desk.records.drift import Verdict
from mlops_desk.records.drift.monitors import JudgedWindow

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
