"""Pushes to a watched repository: which refs are news, and that none is lost or run twice, whatever comes between."""

from collections.abc import Iterator
from pathlib import Path
from threading import Event
from types import SimpleNamespace

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mlops_desk.automation.records.conditions import PushClause
from mlops_desk.automation.records.firing import KeptFiring, PushedRef
from mlops_desk.automation.records.rule_record import RuleSight
from mlops_desk.automation.records.rule_state import RuleClock
from mlops_desk.automation.rules.document.document import parse_rule
from mlops_desk.automation.rules.live.pushes import kept_text, pushed_of, pushed_refs, refs_text
from mlops_desk.automation.rules.live.rule_loop import LifeParts, RuleLife
from mlops_desk.automation.rules.live.source_watch import RuleSightWatch, Sights
from mlops_desk.automation.rules.storage.rule_repository import RuleShelf
from mlops_desk.kit.storage.state import State
from tests.rule_specs import METRICS

CODE = "/srv/my code.git"
RULE = "apiVersion: mlops-desk/v1\nkind: Rule\nname: r\nwhen: {when}\nthen:\n- ci: mlops-desk.yaml\n{more}"
ALL = f'{{push: {CODE}, ref: "*"}}'
MAIN, TAG, BRANCH = "refs/heads/main", "refs/tags/v1", "refs/heads/v1"


class World:
    """A life with one rule; ``see`` lets its repository look like so, and tells what fires with which refs."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.time, self.now = folder, 1000.0, ""
        self.text = ""

    def begin(self, when: str = ALL, more: str = "") -> None:
        self.text = RULE.format(when=when, more=more)
        self.state = State(self.folder / "state.db")
        RuleShelf(self.state.rule_tables, METRICS).add(parse_rule(self.text, METRICS), 1000)
        self._open()

    def kill(self) -> None:
        self.state.close()
        self.state = State(self.folder / "state.db")
        self._open()

    def _open(self) -> None:
        self.fired: list[KeptFiring] = []
        self.shelf = RuleShelf(self.state.rule_tables, METRICS)
        parts = LifeParts(lambda _, name: name, self.fired.extend, clock=lambda: RuleClock(self.time, self.time, "b"))
        self.life = RuleLife(self.shelf, parts)
        sights = Sights(*[self._none] * 3, lambda *_: self.now)
        self.watch = RuleSightWatch(self.life, sights, lambda notice: pytest.fail(notice.text))
        self.watch.start(SimpleNamespace(repeat=lambda *_args, **_named: None, ending=Event()))  # type: ignore[arg-type]  # nobody repeats

    def see(self, *refs: tuple[str, str], after: float = 1.0) -> list[list[tuple[str, str]]]:
        before, self.now = len(self.fired), refs_text(refs)
        self.time += after
        self.watch.look()
        self.life.look()
        return [[(one.ref, one.commit) for one in firing.pushed] for firing in self.fired[before:]]

    def _none(self, *_: object) -> str:
        raise AssertionError("nobody waits for that")


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    yield made
    made.state.close()


def test_each_ref_that_comes_is_told_as_branch_or_tag_and_one_that_goes_is_no_push(world: World) -> None:
    world.begin()
    assert world.see((MAIN, "a")) == [], "what was there when the rule was made is no push"
    assert world.see((MAIN, "a"), (TAG, "a"), (BRANCH, "b")) == [[(BRANCH, "b"), (TAG, "a")]]
    assert world.see((MAIN, "a"), (BRANCH, "b")) == []
    assert world.see((MAIN, "c"), (BRANCH, "b")) == [[(MAIN, "c")]]
    assert world.see() == []
    assert world.see((MAIN, "d")) == [[(MAIN, "d")]]


def test_the_first_push_of_a_pattern_that_nothing_fitted_is_news(world: World) -> None:
    world.begin(f'{{push: {CODE}, ref: "v*"}}')
    assert world.see() == []
    assert world.see((TAG, "a")) == [[(TAG, "a")]]


def test_a_plain_name_tells_what_was_found_under_it(world: World) -> None:
    world.begin(f"{{push: {CODE}, ref: v1}}")
    world.see((TAG, "a"))
    assert world.see((BRANCH, "a")) == [], "it is the same commit"
    assert world.see((TAG, "b")) == [[(TAG, "b")]]


def test_what_an_earlier_program_has_seen_is_no_push(world: World) -> None:
    world.begin(f"{{push: {CODE}, ref: main}}")
    rule = world.shelf.all()[0].written.id
    world.state.rule_tables.keep([], [], [], [RuleSight(rule, 0, "a", 1.0)])
    assert world.see((MAIN, "a")) == []
    assert world.see((MAIN, "b")) == [[(MAIN, "b")]]


def test_pushes_that_are_held_back_run_all_of_them_once_though_the_agent_ends(world: World) -> None:
    world.begin(more="cooldown: 1h\n")
    world.see((MAIN, "a"))
    assert world.see((MAIN, "b")) == [[(MAIN, "b")]]
    assert world.see((MAIN, "c")) == []
    world.kill()
    assert world.see((MAIN, "c"), (TAG, "c")) == []
    world.kill()
    assert world.see((MAIN, "c"), (TAG, "c")) == []
    assert world.see((MAIN, "c"), (TAG, "c"), after=3600.0) == [[(MAIN, "c"), (TAG, "c")]]
    world.kill()
    assert world.see((MAIN, "c"), (TAG, "c"), after=3600.0) == []
    assert world.see((MAIN, "d"), (TAG, "c")) == [[(MAIN, "d")]], "and nothing of what has run"


def test_who_fires_by_hand_takes_what_is_held_back(world: World) -> None:
    world.begin(more="cooldown: 1h\n")
    world.see((MAIN, "a"))
    world.see((MAIN, "b"))
    world.see((MAIN, "c"))
    assert [one.commit for one in world.life.fire(world.shelf.all()[0], "", "anna", ()).pushed] == ["c"]
    world.kill()
    assert world.see((MAIN, "c"), after=7200.0) == []
    assert world.life.fire(world.shelf.all()[0], "", "anna", ()).pushed == ()


def test_a_push_that_was_no_moment_for_its_rule_is_not_run_later(world: World) -> None:
    world.begin(f'{{and: [{{push: {CODE}, ref: "*"}}, {{state: endpoint, of: iris, is: [live]}}]}}')
    world.see((MAIN, "a"))
    assert world.see((MAIN, "b")) == []
    assert world.life.fire(world.shelf.all()[0], "", "anna", ()).pushed == ()


def test_what_a_rule_has_waited_for_is_forgotten_with_what_it_said(world: World) -> None:
    world.begin(more="cooldown: 1h\n")
    world.see((MAIN, "a"))
    world.see((MAIN, "b"))
    world.see((MAIN, "c"))
    world.life.begin_anew(world.shelf.all()[0].written.id)
    assert world.life.fire(world.shelf.all()[0], "", "anna", ()).pushed == ()


_NAMES = st.sampled_from([MAIN, TAG, BRANCH, "refs/tags/a.b/c"])
_REFS = st.dictionaries(_NAMES, st.sampled_from(["a", "b"]))


@given(_REFS, _REFS)
@example({}, {TAG: "a"})
@example({TAG: "a"}, {})
@example({TAG: "a"}, {TAG: "a", BRANCH: "a"})
def test_news_are_the_refs_that_are_there_and_were_not_so(was: dict[str, str], now: dict[str, str]) -> None:
    found = pushed_refs(PushClause(CODE, "*"), refs_text(was.items()), refs_text(now.items()))
    assert {(one.ref, one.commit) for one in found} == {*now.items()} - {*was.items()}
    assert pushed_of(kept_text(found)) == found
    assert all(one.repository == CODE for one in found)


def test_nothing_that_is_kept_is_nothing() -> None:
    assert pushed_of("") == []
    assert pushed_of(kept_text([PushedRef(CODE, TAG, "a")])) == [PushedRef(CODE, TAG, "a")]


def test_a_branch_that_is_gone_or_was_never_there_is_no_push() -> None:
    clause = PushClause(CODE, "main")
    assert pushed_refs(clause, f"{MAIN} a", "") == []
    assert pushed_refs(clause, "", "") == []
    assert pushed_refs(clause, f"{MAIN} a", f"{MAIN} b") == [PushedRef(CODE, MAIN, "b")]
