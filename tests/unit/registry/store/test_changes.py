"""What happened in a store since one looked: everything that people and jobs do to it is seen, on both databases."""

import random

import pytest

from mlops_desk.registry.store.postgres import tail as postgres_tail
from mlops_desk.registry.store.reader import run_at
from mlops_desk.registry.store.sqlite import tail as sqlite_tail

MOST_LOOKS = 300


@pytest.fixture(autouse=True)
def _often(monkeypatch):
    """Let nothing wait for its turn: how often a comparison is made again is a matter of time."""
    monkeypatch.setattr(sqlite_tail, "_MODELS_SHARE", 0)
    monkeypatch.setattr(postgres_tail, "_SHARE", 0)


class Mirror:
    """What somebody knows who does as a mirror does: reads all runs, then follows."""

    def __init__(self, reader):
        self.reader = reader
        self.runs = {}
        self.models_changed = 0
        self.mark = self.reader.mark()
        self.read_all()

    def read_all(self):
        self.runs = {}
        for batch in self.reader.batches():
            self.take(batch)

    def take(self, batch):
        for place, run_id in enumerate(batch.run_ids):
            self.runs[run_id] = told(batch, place)

    def look(self):
        """Look once; return the ids of what came and went, None where all was to be read anew."""
        changes = self.reader.changes(self.mark)
        self.mark = changes.mark
        if changes.everything:
            self.read_all()
            return None
        for batch in changes.batches:
            self.take(batch)
        for run_id in changes.gone:
            self.runs.pop(run_id, None)
        self.models_changed += changes.models_changed
        return {run_id for batch in changes.batches for run_id in batch.run_ids}, set(changes.gone)

    def settle(self):
        """Look until all has been compared once."""
        for _ in range(MOST_LOOKS):
            self.look()
            tail = self.reader._store.tail()
            if tail._left <= 0 and not tail._pending:
                return
        pytest.fail("it never comes to rest")


def told(batch, place):
    """Return all that a batch says of a run; NaN as a word, for it equals nothing."""
    run = run_at(batch, place)
    metrics = {name: str(value) for name, value in run.metrics.items()}
    return (
        run.name,
        run.status,
        run.end_time,
        metrics,
        run.params,
        run.tags,
        bool(batch.is_deleted[place]),
        batch.users[place],
    )


METRICS, PARAMS, TAGS, IS_DELETED = 3, 4, 5, 6


def fresh(reader):
    """Read all runs without remembering them."""
    found = {}
    for batch in reader._store.runs.newest_first(lambda _: None):
        for place, run_id in enumerate(batch.run_ids):
            found[run_id] = told(batch, place)
    return found


@pytest.fixture
def mirror(store):
    reader, _ = store
    return Mirror(reader)


@pytest.fixture
def writer(store):
    return store[1]


def oldest(writer):
    """Return ids of finished runs, which nobody expects to change."""
    sql = "SELECT run_uuid FROM runs WHERE status = 'FINISHED' AND lifecycle_stage = 'active' ORDER BY start_time, run_uuid"
    return [row[0] for row in writer.rows(sql)][:8]


@pytest.mark.slow
def test_nothing_is_told_where_nothing_happened(mirror):
    mark = mirror.mark
    assert [mirror.look() for _ in range(3)] == [(set(), set())] * 3
    assert (mirror.mark, mirror.models_changed) == (mark, 0)


@pytest.mark.slow
def test_a_point_of_a_running_job_is_in_the_very_next_look(mirror, writer):
    run_id = writer.new_run()
    assert run_id in mirror.look()[0]
    writer.log_metric(run_id, "loss", 0.5)
    assert run_id in mirror.look()[0]
    assert mirror.runs[run_id][METRICS] == {"loss": "0.5"}
    writer.log_metric(run_id, "loss", 0.25)
    mirror.look()
    assert mirror.runs[run_id][METRICS] == {"loss": "0.25"}


def test_a_parameter_a_tag_and_the_end_of_a_running_job_are_in_the_very_next_look(mirror, writer):
    run_id = writer.new_run()
    mirror.settle()
    for act in (lambda: writer.log_param(run_id, "lr", "0.1"), lambda: writer.set_tag(run_id, "team", "vision"),
                lambda: writer.set_tag(run_id, "team", "text"), lambda: writer.set_run(run_id, status="FINISHED", end_time=9)):  # fmt: skip
        act()
        assert run_id in mirror.look()[0]
    name, status, end, _, params, tags, *_ = mirror.runs[run_id]
    assert (name, status, end, params, tags["team"]) == ("new", "FINISHED", 9, {"lr": "0.1"}, "text")


@pytest.mark.parametrize("change", [
    {"status": "FAILED"}, {"name": "renamed"}, {"lifecycle_stage": "deleted"}, {"end_time": 12345}, {"user_id": "eve"},
])  # fmt: skip
def test_a_run_that_ended_long_ago_and_changes_is_seen(mirror, writer, change):
    run_id = oldest(writer)[0]
    before = mirror.runs[run_id]
    writer.set_run(run_id, **change)
    mirror.settle()
    assert mirror.runs == fresh(mirror.reader)
    assert mirror.runs[run_id] != before
    writer.set_run(run_id, lifecycle_stage="active")
    mirror.settle()
    assert mirror.runs == fresh(mirror.reader)
    assert not mirror.runs[run_id][IS_DELETED]


def test_tags_of_old_runs_that_are_set_changed_and_taken_away_are_seen(mirror, writer):
    first, second, *_ = oldest(writer)
    for act in (lambda: writer.set_tag(first, "kind", "aaaa"), lambda: writer.set_tag(first, "kind", "bbbb"),
                lambda: writer.set_tag(second, "other", "x"), lambda: writer.delete_tag(second, "other"),
                lambda: writer.delete_tag(first, "kind")):  # fmt: skip
        act()
        mirror.settle()
        assert mirror.runs == fresh(mirror.reader)
    assert "kind" not in mirror.runs[first][TAGS]


def test_a_point_of_a_run_that_ended_is_seen(mirror, writer):
    run_id = oldest(writer)[0]
    writer.log_metric(run_id, "late", 7.0)
    mirror.settle()
    assert mirror.runs[run_id][METRICS]["late"] == "7.0"


def test_purged_runs_are_gone_wherever_they_stood(mirror, writer):
    ids = oldest(writer)
    newest = writer.new_run("FINISHED")
    mirror.settle()
    for gone in (ids[:1], ids[3:5], [newest]):
        writer.purge(*gone)
        mirror.settle()
        assert not mirror.runs.keys() & set(gone)
        assert mirror.runs == fresh(mirror.reader)


def test_a_run_that_takes_the_place_of_a_purged_one_is_another(mirror, writer):
    first = writer.new_run("FINISHED")
    writer.log_metric(first, "m", 1.0)
    mirror.settle()
    writer.purge(first)
    second = writer.new_run("FINISHED")
    writer.log_metric(second, "m", 2.0)
    mirror.settle()
    assert first not in mirror.runs
    assert mirror.runs[second][METRICS] == {"m": "2.0"}


MODEL_ACTS = {
    "model": "INSERT INTO registered_models (name, last_updated_time) VALUES ('brand new', 1)",
    "description": "UPDATE registered_models SET description = 'other', last_updated_time = 9 WHERE name = 'plain'",
    "alias": "UPDATE registered_model_aliases SET version = 2 WHERE name = 'plain' AND alias = 'champion'",
    "alias away": "DELETE FROM registered_model_aliases WHERE name = 'plain' AND alias = 'champion'",
    "model tag": "UPDATE registered_model_tags SET value = 'bob' WHERE name = 'plain' AND key = 'owner'",
    "version": "INSERT INTO model_versions (name, version, current_stage, status) VALUES ('plain', 77, 'None', 'READY')",
    "version tag": "UPDATE model_version_tags SET value = 'no' WHERE name = 'plain' AND version = 1 AND key = 'checked'",
    "stage": "UPDATE model_versions SET current_stage = 'Deleted_Internal' WHERE name = 'plain' AND version = 2",
    "status": "UPDATE model_versions SET status = 'FAILED_REGISTRATION' WHERE name = 'plain' AND version = 2",
}


@pytest.mark.parametrize("act", MODEL_ACTS)
def test_what_happens_to_models_is_told(mirror, writer, act):
    writer.do((MODEL_ACTS[act], ()))
    mirror.look()
    assert mirror.models_changed == 1
    writer.new_run()
    mirror.look()
    assert mirror.models_changed == 1


def test_a_mark_of_another_time_means_everything(mirror):
    assert mirror.reader.changes("7000").everything
    changes = mirror.reader.changes("nonsense")
    assert changes.everything
    assert not mirror.reader.changes(changes.mark).everything


def test_what_changes_while_all_is_read_is_not_lost(store):
    reader, writer = store
    mirror = Mirror(reader)
    mirror.mark = reader.mark()
    mirror.runs = {}
    batches = reader.batches()
    mirror.take(next(batches))
    read, unread = next(iter(mirror.runs)), [run for run in fresh(reader) if run not in mirror.runs]
    new = writer.new_run()
    for run_id in (read, *unread[:2], new):
        writer.set_tag(run_id, "meanwhile", "yes")
        writer.log_metric(run_id, "meanwhile", 1.0)
    came, _ = mirror.look()
    assert read in came
    assert not came & set(unread), "what is not read yet comes in its turn"
    for batch in batches:
        mirror.take(batch)
    mirror.settle()
    assert mirror.runs == fresh(reader)


def test_a_flood_comes_in_several_looks_and_a_deluge_anew(mirror, writer, monkeypatch):
    for module in (sqlite_tail, postgres_tail):
        monkeypatch.setattr(module, "_MOST_RUNS", 5)
    ids = [writer.new_run("FINISHED") for _ in range(12)]
    assert len(mirror.look()[0]) == 5
    mirror.settle()
    assert mirror.runs.keys() >= set(ids)
    for module in (sqlite_tail, postgres_tail):
        monkeypatch.setattr(module, "_ALL_ANEW", 10)
    for _ in range(12):
        writer.new_run("FINISHED")
    assert mirror.look() is None
    mirror.settle()
    assert mirror.runs == fresh(mirror.reader)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(6))
def test_whatever_happens_the_mirror_ends_where_the_store_is(store, seed):
    reader, writer = store
    chance = random.Random(seed)
    mirror = Mirror(reader)
    mirror.mark, mirror.runs = reader.mark(), {}
    batches = reader.batches()
    for _ in range(60):
        act(chance, writer)
        if chance.random() < 0.3:
            for batch in [next(batches, None)]:
                if batch is not None:
                    mirror.take(batch)
        elif chance.random() < 0.5 and mirror.look() is None:
            batches = iter(())
    for batch in batches:
        mirror.take(batch)
    mirror.settle()
    assert mirror.runs == fresh(reader)


def act(chance, writer):
    """Do anything that MLflow may do."""
    ids = [row[0] for row in writer.rows("SELECT run_uuid FROM runs ORDER BY run_uuid")]
    run_id = chance.choice(ids)
    doing = chance.choice(("run", "point", "point", "param", "tag", "tag", "untag", "state", "stage", "name", "purge"))
    if doing == "run":
        writer.new_run(chance.choice(("RUNNING", "FINISHED")))
    elif doing == "point":
        writer.log_metric(run_id, chance.choice("abc"), chance.random())
    elif doing == "param":
        writer.log_param(run_id, f"p{chance.random()}", "x")
    elif doing == "tag":
        writer.set_tag(run_id, chance.choice(("a", "b")), chance.choice("xyz"))
    elif doing == "untag":
        writer.delete_tag(run_id, chance.choice(("a", "b", "mlflow.runName")))
    elif doing == "state":
        writer.set_run(run_id, status=chance.choice(("FINISHED", "FAILED", "RUNNING")))
    elif doing == "stage":
        writer.set_run(run_id, lifecycle_stage=chance.choice(("active", "deleted")))
    elif doing == "name":
        writer.set_run(run_id, name=chance.choice("mno"))
    elif len(ids) > 30:
        writer.purge(run_id)
