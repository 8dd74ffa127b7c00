"""The rows of a window: asked of a worker, with what makes them others than those that were judged."""

import pytest

from mlops_desk.drift.live.window_rows import RowsFound
from mlops_desk.drift.monitors.rows import SECONDS, WORKER, rows_of
from mlops_desk.drift.records.monitors import JudgedWindow, Monitor
from mlops_desk.drift.records.rows import WindowRows
from mlops_desk.drift.records.sources import Source, SourceKind
from mlops_desk.drift.records.verdict import Verdict
from mlops_desk.drift.text.monitoring import monitors as forms
from mlops_desk.kit.base import wire
from mlops_desk.kit.base.errors import Invalid, NotFound, TimedOut

WINDOW = JudgedWindow("w1", "m1", 100.0, 200.0, 3, Verdict.DRIFT, True, {})


def monitor(kind=SourceKind.FILE, time_column="at"):
    return Monitor("m1", "claims", Source(kind, "/data/in", None, time_column))


def found(n):
    return RowsFound(("age",), (("1",), (None,)), (110.0, 120.0), n, ("2 more columns are not shown.",))


def ask(n, **more):
    asked = []

    def run(module, request, seconds):
        asked.append((module, request, seconds))
        return wire.to_builtins(found(n))

    return rows_of(monitor(**more), WINDOW, 10, run), asked


def test_the_worker_is_asked_for_the_time_of_the_window():
    told, ((module, request, seconds),) = ask(3)
    assert (module, seconds) == (WORKER, SECONDS)
    assert (request["path"], request["start"], request["end"]) == ("/data/in", 100.0, 200.0)
    assert (request["limit"], request["time_column"]) == (10, "at")
    assert told == WindowRows(
        "m1", "w1", ("age",), (("1",), (None,)), (110.0, 120.0), 3, 3, ("2 more columns are not shown.",)
    )


@pytest.mark.parametrize(
    ("n", "time_column", "word"),
    [(2, "at", "written again since"), (9, "at", "share a moment"), (9, None, "without a time column")],
)
def test_rows_that_may_be_others_than_were_judged_are_said_to_be(n, time_column, word):
    told, _ = ask(n, time_column=time_column)
    assert word in told.notes[0]
    assert "3" in told.notes[0]
    assert told.notes[1] == "2 more columns are not shown."


def never(_module, _request, _seconds):
    raise AssertionError("nobody is asked")


def test_what_cant_be_meant_is_refused_before_anybody_is_asked():
    with pytest.raises(NotFound, match="no window w1"):
        rows_of(Monitor("m2", "other", Source(SourceKind.FILE, "/x")), WINDOW, 10, never)
    with pytest.raises(Invalid, match="requests of an endpoint") as caught:
        rows_of(monitor(SourceKind.LOG), WINDOW, 10, never)
    assert "mlops-desk endpoints requests" in caught.value.hint
    for kind in (SourceKind.SQL, SourceKind.MLFLOW):
        with pytest.raises(Invalid, match="in a database or a run"):
            rows_of(monitor(kind), WINDOW, 10, never)
    for limit in (0, 1001):
        with pytest.raises(Invalid, match="can't be listed"):
            rows_of(monitor(), WINDOW, limit, never)


def test_a_worker_that_hangs_is_told():
    def run(_module, _request, _seconds):
        raise TimedOut("It took too long.")

    with pytest.raises(TimedOut):
        rows_of(monitor(), WINDOW, 10, run)


def test_rows_are_a_table_on_the_command_line():
    told, _ = ask(9)
    text = forms.rows(told)
    assert text.startswith("2 of 9 rows.")
    assert "share a moment" in text
    assert "TIME" in text
    assert text.splitlines()[-1].endswith("–")
