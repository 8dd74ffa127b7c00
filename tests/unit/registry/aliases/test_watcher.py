"""Which registries are looked at, and how often: those on screen, and those that endpoints serve from."""

import logging
import sqlite3
from contextlib import closing

import pytest

from mlops_desk.kit.base.errors import Unavailable
from mlops_desk.registry.aliases.own_store import stored_aliases
from mlops_desk.registry.aliases.watcher import AliasWatch

OTHER = "http://other"


class Watched:
    def __init__(self, world, monkeypatch):
        self.world, self.now, self.looked, self.changed = world, 1000.0, [], []
        monkeypatch.setattr("mlops_desk.registry.aliases.watcher.time.monotonic", lambda: self.now)
        self.watch = AliasWatch(world.aliases, self.read, self.own, self.changed.append)
        self.broken = False

    def read(self, uri):
        self.looked.append(uri)
        if self.broken:
            raise Unavailable("Nothing answers.")
        return self.world.registries[uri].models()

    def own(self):
        self.looked.append(None)
        return {model.name: model.aliases for model in self.world.own.models()}

    def pass_seconds(self, seconds, step=10.0):
        for _ in range(int(seconds / step)):
            self.now += step
            self.world.clock.at += step
            self.watch.look()


@pytest.fixture
def watched(world, monkeypatch):
    world.add("churn", 2, OTHER)
    return Watched(world, monkeypatch)


def test_what_nobody_looks_at_is_not_asked(watched):
    watched.pass_seconds(3600)
    assert watched.looked == []


def test_what_is_looked_at_is_asked_twice_a_minute_and_then_no_more(watched):
    watched.watch.asked(OTHER)
    watched.pass_seconds(60)
    assert watched.looked == [OTHER, OTHER]
    watched.pass_seconds(3600)
    assert len(watched.looked) <= 11, "nobody has looked for five minutes"


def test_a_move_made_elsewhere_is_found_and_told(watched):
    watched.watch.asked(OTHER)
    watched.pass_seconds(30)
    watched.world.registries[OTHER].set_alias("churn", "champion", "2")
    watched.pass_seconds(30)
    assert watched.changed == [OTHER]
    (move,) = watched.world.journal.moves(OTHER, "churn")
    assert (move.to_version, move.who, move.at - move.seen_since) == ("2", None, 30.0)


def test_a_registry_that_says_that_it_changed_is_looked_at_with_the_next_turn(watched):
    watched.watch.asked(OTHER)
    watched.pass_seconds(10)
    watched.watch.noticed(OTHER)
    watched.pass_seconds(10)
    assert watched.looked == [OTHER, OTHER]
    watched.watch.noticed("http://nobody")
    watched.pass_seconds(10)
    assert watched.looked == [OTHER, OTHER]


def test_a_registry_that_changed_is_looked_at_again_by_whatever_name_it_is_shown(watched, monkeypatch):
    watched.world.registries["kept"] = watched.world.registries[OTHER]
    monkeypatch.setattr(watched.world.aliases, "is_same", lambda one, other: {"kept": OTHER}.get(one, one) == other)
    watched.watch.asked("kept")
    watched.pass_seconds(10)
    watched.watch.noticed(OTHER)
    watched.pass_seconds(10)
    assert watched.looked == ["kept", "kept"]


def test_what_endpoints_serve_from_is_asked_though_nobody_looks(watched):
    watched.watch.served = lambda: {None, OTHER}
    watched.pass_seconds(1200)
    assert watched.looked.count(None) == 20
    assert watched.looked.count(OTHER) == 2


def test_a_registry_that_does_not_answer_is_asked_again_later_and_keeps_the_others(watched):
    watched.broken = True
    watched.watch.served = lambda: [OTHER, None]
    watched.pass_seconds(10)
    assert watched.looked == [OTHER, None]
    watched.broken = False
    watched.pass_seconds(600)
    assert watched.looked.count(OTHER) == 2


def test_what_keeps_a_registry_from_being_looked_at_is_logged_when_it_begins_and_when_it_is_over(watched, caplog):
    caplog.set_level(logging.INFO)
    watched.broken = True
    watched.watch.served = lambda: [OTHER]
    watched.pass_seconds(6000)
    watched.broken = False
    watched.pass_seconds(1200)
    assert watched.looked.count(OTHER) == 12
    said = [text for text in caplog.messages if "The aliases of" in text]
    assert said == [
        f"The aliases of {OTHER} could not be looked at: Nothing answers.",
        f"The aliases of {OTHER} could not be looked at, and is again now",
    ]


def test_the_aliases_of_our_own_store_are_read_as_they_lie_there(tmp_path):
    path = tmp_path / "mlflow.db"
    with closing(sqlite3.connect(path)) as store:
        store.execute("CREATE TABLE registered_model_aliases (name, alias, version INTEGER, workspace)")
        rows = [
            ("churn", "champion", 3, "default"),
            ("churn", "next", 4, "default"),
            ("churn", "champion", 9, "others"),
        ]
        store.executemany("INSERT INTO registered_model_aliases VALUES (?, ?, ?, ?)", rows)
        store.commit()
    assert stored_aliases(path) == {"churn": {"champion": "3", "next": "4"}}


def test_a_store_that_is_none_or_gone_says_so(tmp_path):
    (tmp_path / "damaged.db").write_bytes(b"no database" * 100)
    for name in ("damaged.db", "missing.db"):
        with pytest.raises(Unavailable, match="can't be read"):
            stored_aliases(tmp_path / name)
    assert not (tmp_path / "missing.db").exists()
