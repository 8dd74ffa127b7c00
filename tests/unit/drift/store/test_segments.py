"""Segments are kept with their windows: added over any span, rolled up, over a restart, and left out where damaged."""

import sqlite3
from contextlib import closing

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mlops_desk.drift.profile.arrays import DamageError
from mlops_desk.drift.profile.profile import merged
from mlops_desk.drift.store.by_segment import read_segments, write_segments
from mlops_desk.drift.store.layout import WindowLayout
from mlops_desk.drift.store.rollups import WindowLimits
from mlops_desk.drift.store.sums import add_windows
from mlops_desk.drift.store.windows import FILE, CutWindow, WindowStore
from tests.drift_segments import cut, segmented
from tests.drift_windows import BEGIN, DAY, HOUR, facts
from tests.unit.drift.profile.test_segments import PLANS, frame

REFERENCE = segmented(frame(600, 1, PLANS), "plan")
LAYOUT = WindowLayout(REFERENCE)
WINDOWS = [
    cut(frame(20 + 7 * seed, seed, ("free", "gold") if seed % 3 == 2 else PLANS), REFERENCE)[0] for seed in range(8)
]


def assert_same(found, wanted):
    for one, other in zip((found, *found.segments.parts), (wanted, *wanted.segments.parts), strict=True):
        (told, sums), (exact, exact_sums) = facts(one), facts(other)
        assert told == exact
        assert sums == pytest.approx(exact_sums, rel=1e-9, abs=1e-6)
    assert found.segments.cut == wanted.segments.cut
    assert found.segments.unknown == wanted.segments.unknown


@pytest.fixture
def store(tmp_path):
    with closing(WindowStore(tmp_path / "drift")) as made:
        made.put_reference("m", REFERENCE)
        yield made


def test_what_was_put_is_read_as_it_was(store):
    head = store.put("m", BEGIN, BEGIN + 60, WINDOWS[2])
    assert_same(store.profile(head.id)[1], WINDOWS[2])
    _, reference = store.reference("m")
    assert reference.segments.cut == REFERENCE.segments.cut
    ((_, sketch),) = store.column("m", "amount")
    assert sketch.n_rows == WINDOWS[2].n_rows


@settings(max_examples=10, deadline=None)
@given(st.lists(st.integers(0, 7), min_size=1, max_size=6), st.randoms())
@example([2], None)
@example([2, 5, 2], None)
def test_windows_add_up_in_any_order(places, chance):
    some = [WINDOWS[place] for place in places]
    wanted = merged(some)
    if chance is not None:
        chance.shuffle(some)
    assert_same(add_windows(LAYOUT, [LAYOUT.write(one) for one in some]), wanted)


@pytest.mark.slow
def test_hours_and_days_have_the_segments_of_their_windows(store, tmp_path):
    made = [(BEGIN + at * 6 * HOUR, WINDOWS[at % 8]) for at in range(80)]
    for at, profile in made:
        store.put("m", at, at + HOUR, profile)
    store.close()
    with closing(WindowStore(tmp_path / "drift", lambda: WindowLimits(window_days=3, hour_days=8))) as kept:
        assert kept.tidy(BEGIN + 20 * DAY) > 0
        assert {head.level for head in kept.windows("m")} == {"window", "hour", "day"}
        assert_same(kept.merged("m", BEGIN, BEGIN + 20 * DAY), merged(profile for _, profile in made))
        row = kept._tables.database
        with row.transaction() as connection:
            sizes = connection.exec_driver_sql(
                "SELECT size_bytes, length(facts) + length(rest) + length(bins) + length(segments) FROM drift_windows"
            ).fetchall()
        assert all(told == found for told, found in sizes), "what is kept within a budget has to be counted"


def test_the_window_that_grows_goes_on_after_a_restart(store, tmp_path):
    digest, _ = store.reference("m")
    first = LAYOUT.write(WINDOWS[0])
    store.keep("m", digest, [], CutWindow(BEGIN, BEGIN + 1, first), "here")
    store.close()
    with closing(WindowStore(tmp_path / "drift")) as again:
        growing = again.growing("m")
        assert again.cursor("m") == "here"
        assert_same(add_windows(LAYOUT, [growing.blobs, LAYOUT.write(WINDOWS[2])]), merged([WINDOWS[0], WINDOWS[2]]))


@pytest.mark.parametrize("damage", ["X'00'", "zeroblob(40)", "substr(segments, 1, length(segments) - 3)", "X''"])
def test_a_window_whose_segments_are_damaged_is_left_out_whole(store, tmp_path, damage):
    store.put("m", BEGIN, BEGIN + 60, WINDOWS[0])
    bad = store.put("m", BEGIN + 100, BEGIN + 160, WINDOWS[1])
    store.close()
    with closing(sqlite3.connect(tmp_path / "drift" / FILE)) as raw, raw:
        raw.execute(f"UPDATE drift_windows SET segments = {damage} WHERE id = {bad.id}")
    with closing(WindowStore(tmp_path / "drift")) as again:
        assert_same(again.merged("m", BEGIN, BEGIN + DAY), merged([WINDOWS[0]]))
        assert again.n_damaged == 1


def test_segments_of_other_rows_than_the_window_has_are_refused():
    parts = [LAYOUT.part.write(one) for one in WINDOWS[0].segments.parts]
    data = write_segments(parts, WINDOWS[0].segments.unknown)
    assert read_segments(data, len(parts), WINDOWS[0].n_rows).parts[0] == parts[0]
    for n_parts, n_rows in ((len(parts), WINDOWS[0].n_rows + 1), (len(parts) - 1, WINDOWS[0].n_rows)):
        with pytest.raises(DamageError, match="do not fit its rows"):
            read_segments(data, n_parts, n_rows)


def test_a_store_of_windows_without_segments_is_opened_and_goes_on(tmp_path):
    plain = type(REFERENCE)(REFERENCE.n_rows, REFERENCE.columns)
    window = type(REFERENCE)(WINDOWS[0].n_rows, WINDOWS[0].columns)
    with closing(WindowStore(tmp_path / "drift")) as store:
        store.put_reference("m", plain)
        store.put("m", BEGIN, BEGIN + 60, window)
    with closing(sqlite3.connect(tmp_path / "drift" / FILE)) as raw, raw:
        raw.execute("ALTER TABLE drift_windows DROP COLUMN segments")
        raw.execute("UPDATE alembic_version SET version_num = 'w0001'")
    with closing(WindowStore(tmp_path / "drift")) as again:
        again.put("m", BEGIN + 60, BEGIN + 120, window)
        found = again.merged("m", BEGIN, BEGIN + DAY)
        assert (found.n_rows, found.segments) == (2 * window.n_rows, None)
