"""What is looked at now and then: what was there fires nothing, what comes fires once, and trouble is told once."""

from pathlib import Path
from threading import Event
from types import SimpleNamespace

import pytest

from mlops_desk.automation.rules.document.document import parse_rule
from mlops_desk.automation.rules.live.rule_loop import LifeParts, RuleLife
from mlops_desk.automation.rules.live.source_watch import RuleSightWatch, Sights
from mlops_desk.automation.rules.storage.rule_repository import ReadRule, RuleShelf
from mlops_desk.automation.text import rules
from mlops_desk.kit.base.errors import Unavailable
from mlops_desk.kit.storage.state import State
from tests.rule_specs import METRICS

WHENS = {
    "rows": "{newRows: sqlite:////srv/a.db, table: orders, column: id, login: db}",
    "dvc": "{dvc: /srv/dvc.lock, ref: main, output: model.pkl}",
    "manifest": "{newData: /srv/rows}",
    "commit": "{push: /srv/code}",
}


class World:
    """A life with one rule, whose sight is what ``now`` says."""

    def __init__(self, folder: Path, kind: str) -> None:
        self.now: str | Unavailable = ""
        self.asked: list[object] = []
        self.fired: list[str] = []
        self.notices: list[str] = []
        self.state = State(folder / "state.db")
        self.shelf = RuleShelf(self.state.rule_tables, METRICS)
        text = f"apiVersion: mlops-desk/v1\nkind: Rule\nname: r\nwhen: {WHENS[kind]}\nthen:\n- notify: [desktop]\n"
        self.shelf.add(parse_rule(text, METRICS), 1000)
        self.changed: list[str] = []
        parts = LifeParts(lambda _, name: name, self._act, unseen=self._unseen)
        self.life = RuleLife(self.shelf, parts)
        sights = Sights(*(self._sight if one == kind else self._none for one in ("manifest", "rows", "dvc", "commit")))
        self.watch = RuleSightWatch(self.life, sights, lambda notice: self.notices.append(notice.text), self._changed)
        self.watch.start(SimpleNamespace(repeat=lambda *_args, **_named: None, ending=Event()))  # type: ignore[arg-type]  # nobody repeats

    def look(self, now: str | Unavailable) -> int:
        """Let it look like so, and return how many firings there are since."""
        before, self.now = len(self.fired), now
        self.watch.look()
        self.life.look()
        return len(self.fired) - before

    def _unseen(self, name: str) -> str | None:
        return self.watch.trouble(name)

    def _changed(self, one: ReadRule) -> None:
        self.changed.append(one.written.name)

    def _act(self, firings) -> None:
        self.fired += [firing.id for firing in firings]

    def _sight(self, *asked: object) -> str:
        self.asked.append(asked)
        if isinstance(self.now, Unavailable):
            raise self.now
        return self.now

    def _none(self, *_: object) -> str:
        raise AssertionError("nobody waits for that")


@pytest.fixture
def world(tmp_path: Path, request: pytest.FixtureRequest) -> World:
    return World(tmp_path, request.param)


def row(number: int) -> str:
    return f'["number", "{number}"]'


@pytest.mark.parametrize("world", ["rows"], indirect=True)
def test_rows_that_come_fire_once_and_rows_that_go_do_not(world: World) -> None:
    assert world.look("") == 0, "an empty table is what others are held against"
    assert world.look(row(9)) == 1
    assert world.look(row(9)) == 0
    assert world.look(row(10)) == 1
    assert world.look(row(3)) == 0, "rows were taken away"
    assert world.look(row(4)) == 1, "and one came"
    clause, uid = world.asked[0]
    assert (clause.table, clause.column, clause.login, uid) == ("orders", "id", "db", 1000)


@pytest.mark.parametrize("world", ["dvc", "commit"], indirect=True)
def test_a_branch_that_is_not_there_yet_is_nothing_to_be_held_against(world: World) -> None:
    assert world.look("") == 0
    assert world.look("one") == 0
    assert world.look("") == 0, "gone is not other data"
    assert world.look("one") == 0
    assert world.look("two") == 1


@pytest.mark.parametrize("world", ["rows", "dvc", "manifest", "commit"], indirect=True)
def test_a_look_that_fails_fires_nothing_keeps_what_was_seen_and_is_told_once(world: World) -> None:
    assert world.look(row(1)) == 0
    for _ in range(3):
        assert world.look(Unavailable("The server is down.")) == 0
    assert world.look(row(1)) == 0
    assert world.look(row(2)) == 1
    assert [("can't be looked at" in text, "again" in text) for text in world.notices] == [(True, False), (False, True)]


@pytest.mark.parametrize("world", ["rows", "dvc", "manifest", "commit"], indirect=True)
def test_a_rule_whose_data_can_not_be_looked_at_is_unknown_with_why_until_they_can(world: World) -> None:
    (one,) = world.shelf.all()
    assert world.look(row(1)) == 0
    assert world.life.shown(one).unseen is None
    for _ in range(2):
        world.look(Unavailable("/srv/rows can't be looked into: Permission denied."))
    unseen = world.life.shown(one)
    assert unseen.unseen == "/srv/rows can't be looked into: Permission denied."
    assert world.changed == ["r"], "whoever lists rules hears of it"
    assert rules.state(unseen) == "unknown: /srv/rows can't be looked into: Permission denied."
    assert "can't be seen  /srv/rows can't be looked into: Permission denied." in rules.rule(unseen)
    world.shelf.pause("r", is_paused=True)
    (paused,) = world.shelf.all()
    assert world.life.shown(paused).unseen is None
    world.shelf.pause("r", is_paused=False)
    world.look(row(1))
    assert world.life.shown(one).unseen is None
    assert world.changed == ["r", "r"]
