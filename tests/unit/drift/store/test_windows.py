"""The store of windows: any span is the sum of its windows, whatever was rolled up, dropped, damaged or killed."""

import random
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mlops_desk.drift.profile.arrays import DamageError
from mlops_desk.drift.profile.profile import merged
from mlops_desk.drift.profile.sketch_measures import measure_profiles
from mlops_desk.drift.store.layout import WindowLayout
from mlops_desk.drift.store.rollups import WindowLimits
from mlops_desk.drift.store.sums import add_windows
from mlops_desk.drift.store.windows import FILE, CutWindow, WindowStore
from mlops_desk.kit.base.errors import Invalid, NotFound, Refused, Unavailable
from mlops_desk.kit.storage.windows import DAY as BY_DAY
from mlops_desk.kit.storage.windows import HOUR as BY_HOUR
from mlops_desk.kit.storage.windows import MONTH as BY_MONTH
from mlops_desk.kit.storage.windows import period_end, period_of
from tests.drift_windows import BEGIN, DAY, HOUR, facts, reference_of, rows, window_of

REFERENCE = reference_of(rows(0, 200))
WINDOWS = [window_of(REFERENCE, rows(seed, 30 + seed), notes=(f"note {seed % 3}",)) for seed in range(12)]


@pytest.fixture
def store(tmp_path):
    with closing(WindowStore(tmp_path / "drift")) as made:
        made.put_reference("m", REFERENCE)
        yield made


def reopened(store, folder, **limits):
    store.close()
    return closing(WindowStore(folder / "drift", lambda: WindowLimits(**limits)))


def assert_same(found, profiles):
    exact, sums = facts(merged(profiles))
    told, told_sums = facts(found)
    exact[2] = tuple(sorted(exact[2]))
    told[2] = tuple(sorted(told[2]))
    assert told == exact
    assert told_sums == pytest.approx(sums, rel=1e-9, abs=1e-6)


def test_what_was_put_is_read_as_it_was(store):
    head = store.put("m", BEGIN, BEGIN + 60, WINDOWS[0])
    assert store.windows("m") == [head]
    assert (head.start, head.end, head.n_rows, head.level) == (BEGIN, BEGIN + 60, 30, "window")
    told, found = store.profile(head.id)
    assert told == head
    assert facts(found) == facts(WINDOWS[0])
    assert facts(store.merged("m", BEGIN, BEGIN + 1)) == facts(WINDOWS[0])
    digest, reference = store.reference("m")
    assert facts(reference) == facts(REFERENCE)
    assert head.reference_id == digest
    measured = [measure_profiles(a, b) for a, b in zip(reference.columns[:5], found.columns[:5], strict=True)]
    assert [one.n_current for one in measured] == [one.sketch.n_rows - one.sketch.n_missing for one in WINDOWS[0].columns[:4]] + [30]  # fmt: skip


def test_a_window_without_a_value_is_kept_too(store):
    empty = window_of(REFERENCE, [dict.fromkeys(rows(0, 1)[0]) for _ in range(30)])
    store.put("m", BEGIN, BEGIN, empty)
    store.put("m", BEGIN + 1, BEGIN + 1, window_of(REFERENCE, []))
    assert_same(store.merged("m", BEGIN, BEGIN + 2), [empty, window_of(REFERENCE, [])])


@settings(max_examples=15, deadline=None)
@given(
    st.lists(st.integers(0, 100 * 24 * 4), min_size=1, max_size=25),
    st.integers(0, 100 * 24 * 4),
    st.integers(0, 100 * 24 * 4),
    st.integers(0, 100 * 24 * 4),
)
@example([1, 1, 1, 1, 1], 4, 0, 0)
@example([9599, 866, 764, 4151, 4151, 0, 6039], 866, 0, 0)
def test_any_span_is_the_sum_of_the_windows_that_began_in_it(tmp_path_factory, quarters, now, first, last):
    """Windows come in any order; some hours are rolled up in between, and nobody can tell."""
    folder = tmp_path_factory.mktemp("any-span")
    start, end = BEGIN + min(first, last) * 900, BEGIN + max(first, last) * 900 + 450
    with closing(WindowStore(folder, lambda: WindowLimits(window_days=365))) as store:
        store.put_reference("m", REFERENCE)
        for at, quarter in enumerate(quarters):
            moment = BEGIN + quarter * 900
            store.put("m", moment, moment + 900, WINDOWS[at % 12])
            if at % 5 == 4:
                store.tidy(BEGIN + now * 900)
        inside = [WINDOWS[at % 12] for at, quarter in enumerate(quarters) if start <= BEGIN + quarter * 900 < end]
        if inside:
            assert_same(store.merged("m", start, end), inside)
        else:
            with pytest.raises(NotFound, match="No window"):
                store.merged("m", start, end)
        assert sum(head.n_rows for head in store.windows("m")) == sum(
            WINDOWS[at % 12].n_rows for at in range(len(quarters))
        )


def filled(store, days, per_day=4):
    made = [(BEGIN + at * DAY / per_day, WINDOWS[at % 12]) for at in range(days * per_day)]
    keep(store, [(moment, moment + HOUR, profile) for moment, profile in made], None, None)
    return made


@pytest.mark.slow
def test_old_windows_are_there_by_the_hour_and_older_ones_by_the_day(store, tmp_path):
    made = filled(store, 70)
    with reopened(store, tmp_path, window_days=10, hour_days=40, day_days=1826) as kept:
        assert kept.tidy(BEGIN + 70 * DAY) > 0
        assert kept.tidy(BEGIN + 70 * DAY) == 0
        heads = kept.windows("m")
        assert {head.level for head in heads} == {"window", "hour", "day"}
        assert [head.start for head in heads] == sorted(head.start for head in heads)
        assert sum(head.n_rows for head in heads) == sum(one.n_rows for _, one in made)
        assert sum(head.level == "window" for head in heads) == 10 * 4 + 1
        assert sum(head.level == "day" for head in heads) == 29
        assert_same(kept.merged("m", BEGIN, BEGIN + 70 * DAY), [one for _, one in made])
        day = [one for moment, one in made if BEGIN <= moment < BEGIN + DAY]
        # The windows of the first day are gone: it belongs to each span that it begins in, and to no other.
        assert_same(kept.merged("m", BEGIN, BEGIN + HOUR), day)
        with pytest.raises(NotFound):
            kept.merged("m", BEGIN + HOUR, BEGIN + 2 * HOUR)
        newest = kept.windows("m", limit=3)
        assert [head.start for head in newest] == [moment for moment, _ in made[-3:]]
        assert kept.windows("m", limit=0) == []
        assert len(kept.column("m", "age")) == len(heads)


def test_a_clock_that_jumps_ahead_deletes_nothing(store, tmp_path):
    made = filled(store, 3)
    with reopened(store, tmp_path, window_days=1, hour_days=2) as kept:
        kept.tidy(BEGIN + 3650 * DAY)
        assert sum(head.n_rows for head in kept.windows("m")) == sum(one.n_rows for _, one in made)
        assert sum(head.level == "window" for head in kept.windows("m")) == 5


def test_all_hours_that_are_over_are_rolled_up_however_many_windows_there_are(store, monkeypatch):
    monkeypatch.setattr("mlops_desk.drift.store.rollups._AT_ONCE", 3)
    filled(store, 3)
    now = period_of(BY_HOUR, BEGIN + 10 * DAY)
    assert len(store._tables.unrolled(now, 100)) == 12
    store.tidy(BEGIN + 10 * DAY)
    assert store._tables.unrolled(now, 100) == []


def with_sketch(profile, name, **changed):
    """Return a window of which one column's sketch says something else."""
    columns = [
        replace(one, sketch=replace(one.sketch, **changed)) if one.column.name == name else one
        for one in profile.columns
    ]
    return replace(profile, columns=tuple(columns))


def test_moments_in_the_future_add_up():
    layout = WindowLayout(REFERENCE)
    some = [layout.write(with_sketch(WINDOWS[at], "seen_at", n_future=n)) for at, n in ((0, 2), (1, 3), (2, 0))]
    found = {one.column.name: one.sketch for one in add_windows(layout, some).columns}
    assert (found["seen_at"].n_future, found["age"].n_future) == (5, None)


def test_a_sum_that_is_no_number_is_damage_though_its_checksum_fits():
    layout = WindowLayout(REFERENCE)
    (sums,) = (one.sketch.sums.copy() for one in WINDOWS[0].columns if one.column.name == "age")
    sums[3] = float("nan")
    with pytest.raises(DamageError, match="not finite"):
        add_windows(layout, [layout.write(WINDOWS[1]), layout.write(with_sketch(WINDOWS[0], "age", sums=sums))])


def test_a_window_that_comes_late_is_part_of_its_hour(store):
    filled(store, 2)
    store.tidy(BEGIN + 5 * DAY)
    store.put("m", BEGIN + 10, BEGIN + 20, WINDOWS[3])
    assert_same(store.merged("m", BEGIN, BEGIN + HOUR), [WINDOWS[0], WINDOWS[3]])
    store.tidy(BEGIN + 5 * DAY)
    assert_same(store.merged("m", BEGIN, BEGIN + HOUR), [WINDOWS[0], WINDOWS[3]])
    assert_same(store.merged("m", BEGIN, BEGIN + DAY), [*WINDOWS[:4], WINDOWS[3]])


@pytest.mark.slow
def test_beyond_the_budget_the_oldest_goes_the_finest_first(store, tmp_path):
    made = filled(store, 40)
    store.tidy(BEGIN + 40 * DAY)
    whole = store.size_bytes()
    with reopened(store, tmp_path, budget_mb=1) as kept:
        assert whole > 1 << 20
        kept.tidy(BEGIN + 40 * DAY)
        assert kept.size_bytes() <= 1 << 20
        heads = kept.windows("m")
        assert heads[-1].start == made[-1][0]
        assert_same(kept.merged("m", BEGIN, BEGIN + 40 * DAY), [one for _, one in made])


def test_windows_of_another_reference_are_not_mixed(store):
    store.put("m", BEGIN, BEGIN + 60, WINDOWS[0])
    other = reference_of(rows(99, 300, shift=20))
    digest = store.put_reference("m", other)
    with pytest.raises(Invalid, match="can't be added"):
        store.put("m", BEGIN + 60, BEGIN + 90, WINDOWS[1])
    mine = window_of(other, rows(5, 50))
    store.put("m", BEGIN + 60, BEGIN + 90, mine)
    assert_same(store.merged("m", BEGIN, BEGIN + HOUR), [mine])
    assert [head.reference_id == digest for head in store.windows("m")] == [False, True]
    assert [len(store.column("m", name)) for name in ("age", "city", "remark", "id", "none")] == [2, 2, 2, 0, 0]
    store.tidy(BEGIN + DAY)
    assert_same(store.merged("m", BEGIN, BEGIN + DAY), [mine])
    assert facts(store.profile_by_digest(store.windows("m")[0].reference_id)) == facts(REFERENCE)


def test_a_column_of_each_window(store):
    for at in range(4):
        store.put("m", BEGIN + at, BEGIN + at + 1, WINDOWS[at])
    for place, name in enumerate(["age", "seen_at", "city", "balcony", "remark"]):
        found = store.column("m", name, BEGIN + 1, BEGIN + 3)
        assert [head.start for head, _ in found] == [BEGIN + 1, BEGIN + 2]
        for (_, sketch), window in zip(found, WINDOWS[1:3], strict=True):
            mine, theirs = (facts_of(one) for one in (sketch, window.columns[place].sketch))
            assert mine == theirs


def facts_of(sketch):
    if hasattr(sketch, "lengths"):
        return sketch.sample, facts_of(sketch.lengths)
    if hasattr(sketch, "sums"):
        return sketch.counts.tolist(), sketch.sums.tolist(), sketch.least, sketch.n_missing, sketch.n_future
    return sketch


def keep(store, windows, growing, cursor, monitor="m"):
    some = [cut(*one) for one in windows]
    last = None if growing is None else cut(*growing)
    return store.keep(monitor, store.reference(monitor)[0], some, last, cursor)


def cut(start, end, profile):
    return CutWindow(start, end, WindowLayout(REFERENCE).write(profile))


def grown(store):
    return facts(add_windows(WindowLayout(REFERENCE), [store.growing("m").blobs]))


def test_the_cursor_is_kept_with_the_windows_or_not_at_all(store, monkeypatch):
    assert store.cursor("m") is None
    keep(store, [(BEGIN, BEGIN + 1, WINDOWS[0])], (BEGIN + 1, BEGIN + 2, WINDOWS[1]), "first")
    assert store.cursor("m") == "first"
    assert grown(store) == facts(WINDOWS[1])
    with pytest.raises(Invalid, match="before it begins"):
        keep(store, [(BEGIN, BEGIN + 1, WINDOWS[0])], (5.0, 1.0, WINDOWS[1]), "second")
    with pytest.raises(Invalid, match="has changed"):
        store.keep("m", "another", [cut(BEGIN, BEGIN + 1, WINDOWS[0])], None, "second")
    monkeypatch.setattr("mlops_desk.kit.storage.windows._put", failing)
    with pytest.raises(RuntimeError):
        keep(store, [(BEGIN + 5, BEGIN + 6, WINDOWS[0])], None, "second")
    assert store.cursor("m") == "first"
    assert len(store.windows("m")) == 1
    assert grown(store) == facts(WINDOWS[1])


def failing(*_args, **_values):
    raise RuntimeError("the power is gone")


def test_the_window_that_grows_is_replaced_and_not_counted(store):
    keep(store, [], (BEGIN, BEGIN + 2, WINDOWS[1]), "first")
    keep(store, [], (BEGIN, BEGIN + 3, WINDOWS[2]), "second")
    assert store.growing("m").end == BEGIN + 3
    assert store.windows("m") == []
    store.put("m", BEGIN, BEGIN + 9, WINDOWS[2])
    assert store.growing("m") is not None
    store.put_reference("m", reference_of(rows(7, 90)))
    assert store.growing("m") is None
    keep(store, [], None, "third")
    store.put_reference("m", REFERENCE)
    assert store.growing("m") is None


def test_a_monitor_that_is_forgotten_takes_nothing_of_others_along(store):
    store.put_reference("other", REFERENCE)
    for name in ("m", "other"):
        keep(store, [(BEGIN, BEGIN, WINDOWS[0])], (BEGIN, BEGIN, WINDOWS[1]), "so far", name)
    store.forget("m")
    assert (store.windows("m"), store.reference("m"), store.cursor("m"), store.growing("m")) == ([], None, None, None)
    assert len(store.windows("other")) == 1
    assert store.reference("other") is not None
    with pytest.raises(NotFound, match="no reference"):
        store.put("m", BEGIN, BEGIN, WINDOWS[0])


@pytest.mark.parametrize("blob", ["facts", "bins", "rest"])
def test_a_damaged_window_is_left_out_and_told(store, tmp_path, caplog, blob):
    for at in range(3):
        store.put("m", BEGIN + at, BEGIN + at + 1, WINDOWS[at])
    store.close()
    with closing(sqlite3.connect(tmp_path / "drift" / FILE)) as raw:
        data = bytearray(raw.execute(f"SELECT {blob} FROM drift_windows WHERE id = 2").fetchone()[0])
        data[len(data) // 2] ^= 255
        raw.execute(f"UPDATE drift_windows SET {blob} = ? WHERE id = 2", (bytes(data),))
        raw.commit()
    with closing(WindowStore(tmp_path / "drift")) as kept:
        assert_same(kept.merged("m", BEGIN, BEGIN + HOUR), [WINDOWS[0], WINDOWS[2]])
        assert kept.n_damaged == 1
        assert "is damaged and left out" in caplog.text
        with pytest.raises(Invalid, match="damaged"):
            kept.profile(2)
        kept.tidy(BEGIN + DAY)
        assert_same(kept.merged("m", BEGIN, BEGIN + DAY), [WINDOWS[0], WINDOWS[2]])
        assert len(kept.windows("m")) == 2


def test_a_damaged_hour_is_made_of_what_comes_after(store, tmp_path):
    store.put("m", BEGIN, BEGIN + 1, WINDOWS[0])
    store.tidy(BEGIN + DAY)
    store.put("m", BEGIN + 5, BEGIN + 6, WINDOWS[1])
    store.close()
    with closing(sqlite3.connect(tmp_path / "drift" / FILE)) as raw:
        raw.execute("UPDATE drift_windows SET facts = x'00' WHERE level > 0")
        raw.commit()
    with closing(WindowStore(tmp_path / "drift")) as kept:
        kept.tidy(BEGIN + DAY)
        assert_same(kept.merged("m", BEGIN, BEGIN + HOUR), [WINDOWS[1]])
        assert kept.n_damaged == 3


def test_windows_whose_reference_is_gone_are_dropped_and_told(store, tmp_path, caplog):
    store.put("m", BEGIN, BEGIN + 1, WINDOWS[0])
    store.close()
    with closing(sqlite3.connect(tmp_path / "drift" / FILE)) as raw:
        raw.execute("UPDATE window_profiles SET content = x'00'")
        raw.commit()
    with closing(WindowStore(tmp_path / "drift")) as kept:
        with pytest.raises(Invalid, match="not a whole profile"):
            kept.reference("m")
        kept.tidy(BEGIN + DAY)
        assert kept.windows("m") == []
        assert "1 windows of m are dropped" in caplog.text


def test_a_damaged_file_is_set_aside(tmp_path):
    folder = tmp_path / "drift"
    with closing(WindowStore(folder)) as store:
        store.put_reference("m", REFERENCE)
    (folder / FILE).write_bytes(random.Random(1).randbytes(20_000))
    with closing(WindowStore(folder)) as store:
        store.open()
        assert store.repair is not None
        assert store.repair.kept.exists()
        assert store.windows("m") == []
        store.put_reference("m", REFERENCE)
        store.put("m", BEGIN, BEGIN, WINDOWS[0])


def test_the_database_of_another_kind_is_refused(tmp_path):
    from mlops_desk.kit.storage.state import State

    (tmp_path / "drift").mkdir()
    State(tmp_path / "drift" / FILE).close()
    with closing(WindowStore(tmp_path / "drift")) as store, pytest.raises(Refused, match="not the windows database"):
        store.open()


def test_a_folder_that_cannot_be_made_is_told(tmp_path):
    (tmp_path / "drift").write_text("a file")
    store = WindowStore(tmp_path / "drift" / "below")
    with pytest.raises(Unavailable, match="can't be made"):
        store.windows("m")
    store.close()
    with pytest.raises(Unavailable, match="is closed"):
        store.windows("m")


KILLED = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from tests.drift_windows import BEGIN, reference_of, rows, window_of
from mlops_desk.drift.store.layout import WindowLayout
from mlops_desk.drift.store.windows import CutWindow, WindowStore
reference = reference_of(rows(0, 200))
window = WindowLayout(reference).write(window_of(reference, rows(1, 40)))
store = WindowStore(Path(sys.argv[1]))
digest = store.put_reference("m", reference)
at = int(store.cursor("m") or 0)
while True:
    some = [CutWindow(BEGIN + n * 600, BEGIN + n * 600 + 599, window) for n in range(at, at + 3)]
    at += 3
    store.keep("m", digest, some, CutWindow(BEGIN + at * 600, BEGIN + at * 600, window), str(at))
    store.tidy(BEGIN + at * 600)
    print(at, flush=True)
"""


@pytest.mark.slow
def test_whoever_is_killed_leaves_whole_windows_that_fit_the_cursor(tmp_path):
    """The process is killed again and again, at moments by chance, also while hours are rolled up."""
    chance = random.Random(4)
    for _ in range(5):
        command = [sys.executable, "-c", KILLED, str(tmp_path / "drift"), str(Path(__file__).parents[4])]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
            said = child.stdout.readline()
            time.sleep(chance.random() * 0.2)
            child.kill()
        assert said.strip().isdigit()
        with closing(WindowStore(tmp_path / "drift")) as store:
            at = int(store.cursor("m"))
            assert store.repair is None  # it is open now
            assert sum(head.n_rows for head in store.windows("m", limit=10_000)) == at * 40
            assert store.merged("m", BEGIN, BEGIN + at * 600).n_rows == at * 40
            assert store.growing("m").start == BEGIN + at * 600


@given(st.floats(-1e11, 4e11), st.sampled_from([BY_HOUR, BY_DAY, BY_MONTH]))
def test_each_moment_lies_in_its_period_and_periods_follow_each_other(moment, level):
    period = period_of(level, moment)
    end = period_end(level, period)
    if -62_135_596_800 <= moment < 253_402_300_800:
        assert period <= moment < end
        assert period_of(level, end - 1) == period
    assert period_of(level, period) == period
    assert end > period


def test_periods_are_those_of_utc():
    summer = 1_774_746_000.0  # 2026-03-29T01:00:00Z, when Europe's clocks are set
    assert period_of(BY_DAY, summer) == 1_774_742_400
    assert period_end(BY_DAY, period_of(BY_DAY, summer)) == 1_774_828_800
    assert period_of(BY_MONTH, summer) == BEGIN
    assert period_end(BY_MONTH, int(BEGIN)) == 1_775_001_600
