"""Curves that are followed while a job logs: each point comes once, however many others log, on both databases."""

import random

import psycopg
import pytest

from mlops_desk.kit.base.errors import Invalid
from mlops_desk.registry.store import store_handle as sqlite_curves
from mlops_desk.registry.store.postgres import tail as postgres_tail
from mlops_desk.registry.store.reader import SqlReader
from tests.registry_reading import postgres_source
from tests.registry_writers import Writer
from tests.unit.registry.store.test_changes import Mirror, fresh

ADD = "INSERT INTO metrics (key, value, timestamp, step, is_nan, run_uuid) VALUES (?, ?, ?, ?, ?, ?)"


def log(writer, run_id, *points, key="loss"):
    """Log (step, time, value) all at once, as ``log_batch`` does."""
    writer.do(*((ADD, (key, value, time, step, False, run_id)) for step, time, value in points))


def points_of(curve):
    return list(zip(curve.steps, curve.timestamps, curve.values, strict=True))


@pytest.mark.parametrize("few", [20_000, 0])
def test_only_what_was_logged_since_is_told_in_the_order_of_its_steps(store, few, monkeypatch):
    monkeypatch.setattr(sqlite_curves, "_FEW_NEW", few)
    reader, writer = store
    run_id, other = writer.new_run(), writer.new_run()
    log(writer, run_id, (0, 1, 9.0), (1, 2, 8.0))
    (whole,) = reader.curves([run_id], "loss", 100)
    assert (whole.n_points, points_of(whole)) == (2, [(0, 1, 9.0), (1, 2, 8.0)])
    (nothing,) = reader.curves([run_id], "loss", 100, whole.mark)
    assert (nothing.n_points, points_of(nothing)) == (2, [])
    log(writer, other, (5, 5, 5.0))
    log(writer, run_id, (5, 5, 5.0), key="auc")
    log(writer, run_id, (3, 3, 6.0), (-1, 4, 7.0))
    (more,) = reader.curves([run_id], "loss", 100, nothing.mark)
    assert (more.n_points, points_of(more)) == (4, [(-1, 4, 7.0), (3, 3, 6.0)])
    assert points_of(reader.curves([run_id], "loss", 100, more.mark)[0]) == []
    assert points_of(reader.curves([run_id], "loss", 100, whole.mark)[0]) == points_of(more), "a mark stays good"


@pytest.mark.parametrize("mark", ["", "nonsense", "1.2", "9" * 40, "12:13", "0:99999999999:"])
def test_a_mark_that_is_none_or_of_another_time_is_refused(store, mark):
    reader, writer = store
    run_id = writer.new_run()
    with pytest.raises(Invalid, match="can't be followed"):
        reader.curves([run_id], "loss", 100, mark)
    with pytest.raises(Invalid):
        reader.curves([run_id, run_id], "loss", 100, reader.curves([run_id], "loss", 100)[0].mark)


def test_where_rows_may_have_been_numbered_anew_all_is_to_be_asked_for(file_store):
    reader, writer = file_store
    run_id = writer.new_run()
    log(writer, run_id, (0, 1, 9.0))
    before = reader.curves([run_id], "loss", 100)[0].mark
    writer._connection.execute("VACUUM")
    with pytest.raises(Invalid):
        reader.curves([run_id], "loss", 100, before)
    again = reader.curves([run_id], "loss", 100)[0].mark
    writer.purge(run_id)
    second = writer.new_run()
    log(writer, second, (0, 1, 1.0))
    with pytest.raises(Invalid):
        reader.curves([second], "loss", 100, again)


@pytest.mark.parametrize("seed", range(4))
def test_the_parts_that_were_followed_make_up_the_whole(store, seed):
    reader, writer = store
    chance = random.Random(seed)
    ids = [writer.new_run() for _ in range(3)]
    mark, followed = reader.curves([ids[0]], "loss", 1000)[0].mark, []
    for number in range(40):
        many = [
            (chance.randrange(-5, 50), chance.randrange(9), number + at / 10) for at in range(chance.randrange(1, 4))
        ]
        log(writer, chance.choice(ids), *many)
        if chance.random() < 0.5:
            (part,) = reader.curves([ids[0]], "loss", 1000, mark)
            followed, mark = followed + points_of(part), part.mark
    followed += points_of(reader.curves([ids[0]], "loss", 1000, mark)[0])
    (whole,) = reader.curves([ids[0]], "loss", 1000)
    assert len(followed) == whole.n_points > 10
    assert sorted(followed) == sorted(points_of(whole))


def test_what_a_long_transaction_wrote_before_one_looked_is_seen_once_it_is_there(postgres, monkeypatch):
    """Its rows are older than the mark, and nobody saw them then."""
    monkeypatch.setattr(postgres_tail, "_SHARE", 0)  # how soon it is looked for is a matter of time
    store = postgres.uri(postgres.new_database(template=postgres.filled))
    reader, writer = SqlReader(postgres_source(store)), Writer(store)
    run_id = writer.new_run("FINISHED")
    mirror = Mirror(reader)
    with psycopg.connect(store) as slow:
        slow.execute(ADD.replace("?", "%s"), ("loss", 0.5, 1, 1, False, run_id))
        slow.execute("INSERT INTO params (key, value, run_uuid) VALUES ('late', 'yes', %s)", (run_id,))
        for _ in range(5):
            writer.new_run()
        mark = reader.curves([run_id], "loss", 100)[0].mark
        mirror.settle()
        assert "late" not in mirror.runs[run_id][4]
    assert points_of(reader.curves([run_id], "loss", 100, mark)[0]) == [(1, 1, 0.5)]
    mirror.settle()
    assert mirror.runs[run_id][4] == {"late": "yes"}
    assert mirror.runs == fresh(reader)
    reader.close()
    writer.close()
