"""An endpoint's request log becomes windows: each row once, in spite of merges, late rows, new revisions and kills."""

import random
from contextlib import closing
from dataclasses import replace

import pytest

from mlops_desk.drift.data.sources import DataSide, file_at
from mlops_desk.drift.live import worker
from mlops_desk.drift.live.current_window import newest_rows, newest_seconds
from mlops_desk.drift.live.log_rows import LogPlace
from mlops_desk.drift.live.windowing import WindowCutter
from mlops_desk.drift.profile.worker import profile_of_source
from mlops_desk.drift.records.columns import ColumnKind
from mlops_desk.drift.records.monitors import Monitor, WindowRule
from mlops_desk.drift.records.sources import Source, SourceKind
from mlops_desk.drift.store.windows import WindowStore
from mlops_desk.governance.records.data.retention import RowsKeep
from mlops_desk.kit.base import wire
from mlops_desk.kit.base.errors import Invalid, NotFound, Unavailable
from mlops_desk.kit.storage.request_log.layout import hour_of, part_path
from mlops_desk.kit.storage.request_log.retention import tidy
from mlops_desk.kit.storage.request_log.writer import write_part
from mlops_desk.kit.storage.requests import LoggedFeature, LoggedRow
from tests.unit.drift.live.doors import doors

BEGIN = 1_772_323_200.0  # 2026-03-01T00:00:00Z
FEATURES = [
    LoggedFeature("age", "double"), LoggedFeature("city", "text"), LoggedFeature("balcony", "boolean"),
    LoggedFeature("seen", "datetime"),
]  # fmt: skip
MONITOR = Monitor("m", "churn", Source(SourceKind.LOG, "churn"), endpoint="churn", window=WindowRule(50))


def row(number, at, **facts):
    values = {
        "age": number % 71 + 0.5 if number % 9 else None,
        "city": ["Bonn", "Köln", "Aachen"][number % 3],
        "balcony": number % 2 == 0,
        "seen": "2026-01-01T00:00:00",
    }
    known = {"revision": 3, "status": 200, "latency_seconds": 0.01, "row": 0, "prediction": None}
    return LoggedRow(f"{number:08d}", at, values=values, outputs={"": number % 4}, **{**known, **facts})


class LogWriter:
    """Writes rows as the gateway does: each spool into the parts of its rows' hours."""

    def __init__(self, folder):
        self.folder = folder
        self.stamp = int(BEGIN * 1000)

    def write(self, rows):
        self.stamp += 1
        for hour in sorted({hour_of(one.received_at) for one in rows}):
            some = [one for one in rows if hour_of(one.received_at) == hour]
            write_part(some, FEATURES, part_path(self.folder, self.stamp, hour))


@pytest.fixture(scope="module")
def reference(tmp_path_factory):
    file = tmp_path_factory.mktemp("reference") / "train.csv"
    lines = [f"{n % 80},{['Bonn', 'Köln'][n % 2]},{n % 2 == 0},2025-12-{n % 28 + 1:02d}" for n in range(400)]
    file.write_text("age,city,balcony,seen\n" + "\n".join(lines) + "\n", encoding="utf-8")
    return profile_of_source(DataSide(file_at(file)))


@pytest.fixture
def log(tmp_path):
    return LogWriter(tmp_path / "log")


@pytest.fixture
def store(tmp_path, reference):
    with closing(WindowStore(tmp_path / "drift")) as made:
        made.put_reference("m", reference)
        yield made


def run(module, request, seconds):
    assert module == worker.__name__
    return worker.answer(wire.loads(wire.dumps(request), dict))


def cutter(store, log, revisions=(3,), run=run, since=0.0):
    return WindowCutter(store, doors(LogPlace(str(log.folder), revisions, since)), run)


def ages(profile):
    return {one.column.name: one for one in profile.columns}["age"].sketch


@pytest.mark.slow
def test_windows_are_those_rows_and_each_row_is_in_one(store, log, reference):
    assert {one.column.kind for one in reference.columns} >= {ColumnKind.NUMERIC, ColumnKind.BOOLEAN, ColumnKind.TIME}
    assert cutter(store, log).take(MONITOR, BEGIN).n_rows == 0
    log.write([row(n, BEGIN + n) for n in range(70)])
    first = cutter(store, log).take(MONITOR, BEGIN + 100)
    assert [(head.start, head.end, head.n_rows) for head in first.windows] == [(BEGIN, BEGIN + 49, 50)]
    assert (first.pending_rows, first.n_rows, first.n_late, first.has_more) == (20, 70, 0, False)
    log.write([row(n, BEGIN + n) for n in range(70, 160)])
    second = cutter(store, log).take(MONITOR, BEGIN + 200)
    assert [(head.start, head.end) for head in second.windows] == [
        (BEGIN + 50, BEGIN + 99), (BEGIN + 100, BEGIN + 149),
    ]  # fmt: skip
    assert (second.pending_rows, second.n_rows) == (10, 160)
    assert cutter(store, log).standing("m") == replace(second, windows=())
    found = store.merged("m", BEGIN, BEGIN + 150)
    columns = {one.column.name: one.sketch for one in found.columns}
    assert columns["age"].n_missing == sum(n % 9 == 0 for n in range(150))
    assert columns["age"].most == max(n % 71 + 0.5 for n in range(150) if n % 9)
    assert dict(zip(columns["city"].labels, columns["city"].counts, strict=True)) == {
        "Bonn": 50,
        "Köln": 50,
        "Aachen": 50,
    }
    assert dict(zip(columns["balcony"].labels, columns["balcony"].counts, strict=True)) == {"true": 75, "false": 75}
    assert columns["seen"].n_usable == 150


def test_the_newest_rows_are_put_together_from_parts(store, log):
    assert newest_rows(store, "m", 10) is None
    log.write([row(n, BEGIN + n) for n in range(160)])
    cutter(store, log).take(MONITOR, BEGIN + 200)
    assert newest_rows(store, "m", 5).profile.n_rows == 10
    some = newest_rows(store, "m", 60)
    assert (some.start, some.end, some.profile.n_rows) == (BEGIN + 100, BEGIN + 159, 60)
    assert newest_rows(store, "m", 61).start == BEGIN + 50
    assert newest_rows(store, "m", 10_000).profile.n_rows == 160
    assert newest_seconds(store, "m", 70, BEGIN + 200).profile.n_rows == 60
    assert newest_rows(store, "other", 5) is None


def test_tries_shadows_errors_and_other_revisions_are_no_traffic(store, log):
    rows = [row(n, BEGIN + n) for n in range(50)]
    odd = [
        row(100, BEGIN + 1.5, is_try=True), row(101, BEGIN + 2.5, is_shadow=True), row(102, BEGIN + 3.5, status=500),
        row(103, BEGIN + 4.5, status=400), row(104, BEGIN + 5.5, revision=4),
    ]  # fmt: skip
    log.write(rows + odd)
    found = cutter(store, log).take(MONITOR, BEGIN + 100)
    assert (found.n_rows, found.pending_rows, len(found.windows)) == (50, 0, 1)


def test_rows_before_the_endpoint_was_made_are_another_ones(store, log):
    log.write([row(n, BEGIN + n) for n in range(60)])
    assert cutter(store, log, since=BEGIN + 30).take(MONITOR, BEGIN + 100).n_rows == 30


@pytest.mark.slow
def test_the_newest_seconds_wait_for_those_that_are_still_being_answered(store, log):
    log.write([row(n, BEGIN + n, latency_seconds=20.0) for n in range(60)])
    found = cutter(store, log).take(MONITOR, BEGIN + 60)
    assert found.n_rows == 40
    # One that was received earlier and took longer comes in between, and is in time.
    log.write([row(900, BEGIN + 41, latency_seconds=20.0)])
    assert cutter(store, log).take(MONITOR, BEGIN + 100).n_rows == 61
    assert cutter(store, log).standing("m").n_late == 0


@pytest.mark.slow
def test_rows_that_come_after_the_cursor_has_passed_are_counted_once(store, log):
    log.write([row(n, BEGIN + n) for n in range(60)])
    cutter(store, log).take(MONITOR, BEGIN + 100)
    log.write([row(500, BEGIN + 10), row(501, BEGIN + 11), row(60, BEGIN + 101)])
    found = cutter(store, log).take(MONITOR, BEGIN + 200)
    assert (found.n_rows, found.n_late) == (61, 2)
    assert cutter(store, log).take(MONITOR, BEGIN + 300).n_late == 2
    log.write([row(502, BEGIN + 12), *[row(n, BEGIN + n + 3600) for n in range(200, 210)]])
    found = cutter(store, log).take(MONITOR, BEGIN + 4000)
    assert (found.n_rows, found.n_late) == (71, 3)


@pytest.mark.slow
def test_another_model_version_starts_a_new_window(store, log):
    log.write([row(n, BEGIN + n) for n in range(60)])
    cutter(store, log, (2, 3)).take(MONITOR, BEGIN + 100)
    log.write([row(n, BEGIN + n, revision=5) for n in range(200, 230)])
    again = cutter(store, log, (3, 5)).take(MONITOR, BEGIN + 300)  # revision 5 serves the same version
    assert (again.windows, again.pending_rows) == ((), 40)
    log.write([row(n, BEGIN + n, revision=6) for n in range(400, 430)])
    found = cutter(store, log, (6,)).take(MONITOR, BEGIN + 500)
    assert [head.n_rows for head in found.windows] == [40]
    assert (found.pending_rows, found.n_late) == (30, 0)


@pytest.mark.slow
def test_a_clock_that_is_set_back_loses_no_more_than_one_look(store, log):
    log.write([row(n, BEGIN + 7200 + n) for n in range(20)])
    cutter(store, log).take(MONITOR, BEGIN + 7300)
    log.write([row(n, BEGIN + n) for n in range(100, 110)])
    assert cutter(store, log).take(MONITOR, BEGIN + 120).n_rows == 20
    log.write([row(n, BEGIN + n) for n in range(200, 210)])
    assert cutter(store, log).take(MONITOR, BEGIN + 300).n_rows == 30
    # When the clock gets there again, what was received while it was ahead is not taken a second time.
    log.write([row(n, BEGIN + n) for n in range(7300, 7310)])
    assert cutter(store, log).take(MONITOR, BEGIN + 7400).n_rows == 40


def test_by_time_windows_are_whole_spans(store, log):
    monitor = replace(MONITOR, window=WindowRule(None, 60.0))
    log.write([row(n, BEGIN + n) for n in range(50, 130)])
    found = cutter(store, log).take(monitor, BEGIN + 150)
    assert [(head.start - BEGIN, head.end - BEGIN, head.n_rows) for head in found.windows] == [
        (50, 59, 10),
        (60, 119, 60),
    ]
    assert found.pending_rows == 10
    later = cutter(store, log).take(monitor, BEGIN + 183)
    assert [(head.start - BEGIN, head.n_rows) for head in later.windows] == [(120, 10)]
    assert later.pending_rows == 0


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_each_row_is_taken_once_whatever_happens_in_between(store, log, tmp_path, reference, seed, monkeypatch):
    """Small batches, merges of the log, workers that die, a disk that is full: no row is lost and none is doubled."""
    chance = random.Random(seed)
    monkeypatch.setattr(worker, "BATCH_ROWS", 37)
    written, number, now = 0, 0, BEGIN

    def dying(module, request, seconds):
        if chance.random() < 0.3:
            raise Unavailable("the worker died")
        told = run(module, request, seconds)
        if chance.random() < 0.2:
            raise Unavailable("the agent was killed before it was told")
        return told

    for _ in range(12):
        n = chance.randrange(0, 90)
        log.write([row(number + at, now + at / 2) for at in range(n)])
        number, written, now = number + n, written + n, now + n / 2 + chance.random() * 900
        if chance.random() < 0.3:
            tidy(log.folder, now, RowsKeep(365), 1 << 40)
        try:
            cutter(store, log, run=dying).take(MONITOR, now)
        except Unavailable:
            continue
    while cutter(store, log).take(MONITOR, now + 100).has_more:
        pass
    standing = cutter(store, log).standing("m")
    heads = store.windows("m")
    assert standing.n_rows == written
    assert standing.n_late == 0
    assert sum(head.n_rows for head in heads) + standing.pending_rows == written
    assert {head.n_rows for head in heads} == {50}
    assert newest_rows(store, "m", 1 << 40).profile.n_rows == written


@pytest.mark.slow
def test_what_can_not_be_followed_is_told(store, log):
    with pytest.raises(NotFound, match="no reference"):
        cutter(store, log).take(replace(MONITOR, id="other"), BEGIN)
    with pytest.raises(Invalid, match="no column tells"):
        cutter(store, log).take(replace(MONITOR, source=Source(SourceKind.SQL, "sqlite:////a", "SELECT 1")), BEGIN)

    def meanwhile(module, request, seconds):
        told = run(module, request, seconds)
        store.put_reference("m", store.merged("m", BEGIN, BEGIN + 50))
        return told

    log.write([row(n, BEGIN + n) for n in range(60)])
    cutter(store, log).take(MONITOR, BEGIN + 100)
    before = store.cursor("m")
    log.write([row(n, BEGIN + n) for n in range(100, 130)])
    with pytest.raises(Invalid, match="has changed meanwhile"):
        cutter(store, log, run=meanwhile).take(MONITOR, BEGIN + 200)
    assert store.cursor("m") == before


def test_a_part_that_is_merged_away_while_it_is_read_is_read_again(store, log, monkeypatch):
    log.write([row(n, BEGIN + n) for n in range(30)])
    log.write([row(n, BEGIN + n) for n in range(30, 60)])
    from mlops_desk.drift.live import log_rows

    real, seen = log_rows._count, []

    def count(connection, some, condition):
        if not seen:
            seen.append(1)
            tidy(log.folder, BEGIN + 7200, RowsKeep(365), 1 << 40)
        return real(connection, some, condition)

    monkeypatch.setattr(log_rows, "_count", count)
    assert cutter(store, log).take(MONITOR, BEGIN + 100).n_rows == 60
