"""Single values of metrics (least, largest, first, at a step), asked of either database, beside what they mean."""

import math
from collections import defaultdict

from mlops_desk.registry.store.errors import TooLong
from mlops_desk.registry.store.sqlite.connection import SqliteConnection

METRICS = ("auc", "loss", "val/loss with space", "größe", "huge", "nobody logged this")
STEPS = (-5, 0, 2, 2**40, 7)
LARGEST = 1.7976931348623157e308
WHICH = [("min", None), ("max", None), ("first", None), *(("step", step) for step in STEPS)]


def histories(writer):
    """Return the points of each run and metric as (step, time, value as it was logged)."""
    found = defaultdict(list)
    for run_id, key, step, time, value, is_nan in writer.rows(
        "SELECT run_uuid, key, step, timestamp, value, is_nan FROM metrics"
    ):
        infinite = math.copysign(math.inf, value) if abs(value) >= LARGEST else value
        found[run_id, key].append((step, time, math.nan if is_nan else infinite))
    return found


def allowed(points, which, step):
    """Return the values that may be told of points, as words; more than one where nothing says which came later."""
    if which in {"min", "max"}:
        numbers = [value for _, _, value in points if not math.isnan(value)]
        return {str(min(numbers) if which == "min" else max(numbers))} if numbers else set()
    if which == "first":
        least = min(point[:2] for point in points)
        return {str(value) for *place, value in points if tuple(place) == least}
    times = [time for at, time, _ in points if at == step]
    return {str(value) for at, time, value in points if at == step and time == max(times)}


def check(reader, writer):
    known = histories(writer)
    ids = [run_id for (run_id,) in writer.rows("SELECT run_uuid FROM runs ORDER BY run_uuid")]
    n_told = 0
    for metric in METRICS:
        for which, step in WHICH:
            told = reader.metric_values(ids, metric, which, step)
            for run_id in ids:
                points = known.get((run_id, metric), [])
                expected = allowed(points, which, step) if points else set()
                assert (str(told[run_id]) in expected) if run_id in told else not expected, (run_id, metric, which)
            n_told += len(told)
    return n_told


def test_every_value_is_what_the_history_says(store):
    reader, writer = store
    assert check(reader, writer) > 300


def test_a_curve_too_long_for_one_question_is_read_in_parts_and_says_the_same(file_store, monkeypatch):
    reader, writer = file_store
    real, asked = SqliteConnection.part, []

    def part(self, sql, parameters, *, limited):
        if "json_each" in sql and " metrics " in sql:
            assert limited, "a writer would wait for it"
            asked.append(parameters[0].count('"') // 2)
            raise TooLong
        return real(self, sql, parameters, limited=limited)

    monkeypatch.setattr(SqliteConnection, "part", part)
    assert check(reader, writer) > 300
    assert asked[:7] == [100, 50, 25, 12, 6, 3, 1], "fewer runs at a time, down to one"


def test_of_points_at_one_step_and_moment_the_one_written_last_counts(store):
    reader, writer = store
    run_id = writer.new_run()
    for value in (3.0, 1.0, 2.0):
        columns = "(key, value, timestamp, step, is_nan, run_uuid) VALUES ('tie', ?, 5, 0, ?, ?)"
        writer.do((f"INSERT INTO metrics {columns}", (value, False, run_id)))
    assert reader.metric_values([run_id], "tie", "step", 0) == {run_id: 2.0}
    assert reader.metric_values([run_id], "tie", "first") == {run_id: 3.0}
    assert reader.metric_values([], "tie", "first") == {}
