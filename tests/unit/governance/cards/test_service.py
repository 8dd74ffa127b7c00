"""Cards as they are kept here and written to registries: nothing is lost, and nobody else's is written over."""

import os
import threading
from dataclasses import replace

import pytest

from mlops_desk.governance.cards import tags
from mlops_desk.governance.cards.service import CardsService
from mlops_desk.governance.records.card import CardFacts, CardStage
from mlops_desk.kit.base.caller import Caller, set_caller
from mlops_desk.kit.base.errors import Invalid, NotFound, Refused, TimedOut, Unavailable
from mlops_desk.kit.storage.state import State
from mlops_desk.registry.records.model import ModelVersion

WHOLE = {"intended_use": "Churn", "limits": "Children", "licence": "MIT", "owner": "Anna"}


class Registry:
    """One registry for several desks; ``away``: it does not answer; ``breaks_after``: so many tags, then no more."""

    def __init__(self):
        self.tags, self.away, self.breaks_after, self.alias = {}, False, None, "3"
        self.writes = []

    def where(self, uri):
        return uri, uri or "own"

    def find(self, model, number, uri):
        if self.away:
            raise Unavailable("It does not answer.")
        number = self.alias if number == "@champion" else number
        if (model, number) != ("churn", "3"):
            raise NotFound(f"Model {model} has no version {number}.")
        return ModelVersion("churn", "3", "r1", None, "READY", tags=dict(self.tags), created_at=1.0)

    def tag(self, model, version, told, uri):
        for key, value in told.items():
            if self.breaks_after is not None and len(self.writes) >= self.breaks_after:
                raise Unavailable("It broke off.")
            self.writes.append(key)
            self.tags = {name: text for name, text in self.tags.items() if name != key}
            self.tags |= {} if value is None else {key: value}


class Sources:
    def __init__(self):
        self.figures = ()

    def facts(self, version, uri):
        return CardFacts(2.0, version.run_id, figures=self.figures), {"owner": "the desk's guess"}


class Desk:
    def __init__(self, folder, registry, name):
        self.state, self.registry, self.told, self.sources = State(folder / f"{name}.db"), registry, [], Sources()
        self.cards = CardsService(
            registry, self.sources, self.state.cards, name, lambda: 9.0, self.told.append, lambda card, form: b"%PDF"
        )


@pytest.fixture
def registry():
    set_caller(Caller(os.getuid(), os.getgid(), os.getpid()))
    return Registry()


@pytest.fixture
def desks(tmp_path, registry):
    made = [Desk(tmp_path, registry, name) for name in ("a", "b")]
    yield made
    for one in made:
        one.state.close()


def test_what_nobody_has_written_is_shown_as_it_would_begin_and_kept_nowhere(desks, registry):
    shown = desks[0].cards.show("churn@champion")
    assert (shown.version, shown.revision, shown.text("owner")) == ("3", 0, "the desk's guess")
    assert (desks[0].cards.list(), registry.tags, desks[0].told) == ([], {}, [])


def test_another_desk_finds_a_card_that_counts_there_for_nothing(desks):
    first, second = desks
    first.cards.edit("churn/3", WHOLE)
    first.cards.submit("churn/3")
    done = first.cards.approve("churn/3")
    assert (done.stage, done.is_published) == (CardStage.APPROVED, True)
    seen = second.cards.show("churn/3")
    assert (seen.is_foreign, seen.stage, seen.text("limits")) == (True, CardStage.APPROVED, "Children")
    assert seen.is_published, "it lies in its registry"
    assert second.cards.kept_of("churn", "3", None) is None
    taken = second.cards.edit("churn/3", {"notes": "ours"})
    assert (taken.stage, taken.revision, taken.text("limits"), taken.is_foreign) == (
        CardStage.DRAFT,
        2,
        "Children",
        False,
    )
    assert second.cards.show("churn/3").is_published, "it was begun from that very card"


def test_a_foreign_approval_is_none_here_even_when_it_is_the_next_thing_done(desks):
    first, second = desks
    first.cards.edit("churn/3", WHOLE)
    first.cards.submit("churn/3")
    with pytest.raises(Refused, match="is a draft"):
        second.cards.approve("churn/3")


def test_a_card_of_another_desk_is_not_written_over_unless_somebody_says_so(desks, registry):
    first, second = desks
    first.cards.edit("churn/3", {"limits": "first"})
    second.state.cards.put(replace(first.state.cards.list()[0], seen=None))
    theirs = dict(registry.tags)
    done = second.cards.edit("churn/3", {"limits": "second"})
    assert "Another desk" in done.trouble
    assert (registry.tags, second.cards.show("churn/3").text("limits")) == (theirs, "second")
    second.cards.publish_owed()
    assert registry.tags == theirs
    assert second.cards.publish("churn/3", over=True).is_published
    assert tags.read(registry.tags, "churn", "3").desk == "b"
    first.cards.publish("churn/3", over=True)
    assert "Another desk" in second.cards.edit("churn/3", {"limits": "third"}).trouble, "it was said for once"


def test_who_said_that_a_card_may_be_written_over_says_so_until_it_is(desks, registry):
    first, second = desks
    first.cards.edit("churn/3", {"limits": "first"})
    second.state.cards.put(replace(first.state.cards.list()[0], seen=None))
    registry.away = True
    second.cards.publish("churn/3", over=True)
    second.cards.publish("churn/3")
    registry.away = False
    second.cards.publish_owed()
    assert tags.read(registry.tags, "churn", "3").desk == "b"


def test_a_card_is_kept_while_its_registry_is_away_and_written_when_it_is_back(desks, registry):
    desk = desks[0]
    desk.cards.edit("churn/3", WHOLE)
    registry.away = True
    done = desk.cards.submit("churn/3")
    assert (done.stage, done.is_published) == (CardStage.IN_REVIEW, False)
    assert "does not answer" in desk.cards.show("churn/3").trouble
    desk.cards.publish_owed()
    registry.away = False
    desk.cards.publish_owed()
    shown = desk.cards.show("churn/3")
    assert (shown.is_published, shown.trouble) == (True, None)
    assert tags.read(registry.tags, "churn", "3").card.stage is CardStage.IN_REVIEW
    written = len(registry.writes)
    desk.cards.publish_owed()
    assert len(registry.writes) == written


@pytest.mark.parametrize("after", range(4))
def test_a_write_that_breaks_off_anywhere_leaves_a_whole_card_and_is_ended_later(desks, registry, after):
    desk = desks[0]
    desk.cards.edit("churn/3", {"limits": "one"})
    registry.writes.clear()
    registry.breaks_after = after
    done = desk.cards.edit("churn/3", {"limits": "two" * 1000, "notes": "n" * 4000})
    assert done.is_published is False
    found = tags.read(registry.tags, "churn", "3")
    assert found.card.text("limits") in {"one", "two" * 1000}
    registry.breaks_after = None
    desk.cards.publish_owed()
    assert tags.read(registry.tags, "churn", "3").card.text("limits") == "two" * 1000
    assert len(registry.tags) == len(tags.written(desk.cards.show("churn/3"), "a"))


def test_a_card_whose_agent_dies_on_the_way_to_the_registry_gets_there_later(desks, registry, monkeypatch):
    class Killed(BaseException):
        """The process ends here."""

    def dies(*_):
        raise Killed

    desks[0].cards.edit("churn/3", {"limits": "one"})
    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(registry, "tag", dies)
        desks[0].cards.edit("churn/3", {"limits": "two"})
    assert tags.read(registry.tags, "churn", "3").card.text("limits") == "one"
    desks[0].cards.publish_owed()
    assert tags.read(registry.tags, "churn", "3").card.text("limits") == "two"


def test_a_registry_that_is_slow_gets_the_card_once_it_answers_in_time(desks, registry, monkeypatch):
    desks[0].cards.edit("churn/3", {"limits": "one"})

    def slow(*_):
        raise TimedOut("It took too long.")

    with monkeypatch.context() as patch:
        patch.setattr(registry, "find", slow)
        assert "took too long" in desks[0].cards.edit("churn/3", {"limits": "two"}).trouble
    desks[0].cards.publish_owed()
    assert tags.read(registry.tags, "churn", "3").card.text("limits") == "two"


def test_what_was_written_meanwhile_or_lies_there_already_is_not_written_again(desks, registry, monkeypatch):
    desk = desks[0]
    desk.cards.edit("churn/3", {"limits": "one"})
    (kept,) = desk.state.cards.list()
    told, written = len(desk.told), len(registry.writes)
    desk.cards.publish("churn/3")
    assert len(registry.writes) == written
    assert len(desk.told) == told + 1
    with monkeypatch.context() as patch:  # another thread has written it between the list and its turn
        patch.setattr(type(desk.state.cards), "list", lambda *_, **__: [replace(kept, is_owed=True)])
        desk.cards.publish_owed()
    assert len(desk.told) == told + 1


def test_a_card_is_of_one_version_in_one_registry_whatever_alias_names_it(desks):
    cards = desks[0].cards
    cards.edit("churn@champion", {"limits": "ours"})
    assert cards.show("churn/3").text("limits") == "ours"
    cards.edit("churn/3", {"limits": "theirs"}, uri="http://other")
    assert cards.show("churn/3").text("limits") == "ours"
    assert cards.show("churn/3", "http://other").text("limits") == "theirs"


def test_a_damaged_card_in_the_registry_is_named_and_ours_can_be_written(desks, registry):
    registry.tags = {tags.HEAD: "{"}
    shown = desks[0].cards.show("churn/3")
    assert (shown.revision, "no JSON" in shown.trouble) == (0, True)
    assert desks[0].cards.edit("churn/3", {"limits": "x"}).is_published


def test_a_refresh_asks_the_house_and_leaves_words_of_people(desks):
    desk = desks[0]
    desk.cards.edit("churn/3", WHOLE)
    desk.cards.submit("churn/3")
    desk.cards.approve("churn/3")
    told = len(desk.told)
    assert desk.cards.refresh("churn/3").stage is CardStage.APPROVED
    assert len(desk.told) == told, "nothing was new"
    desk.sources.facts = lambda version, uri: (CardFacts(3.0, "r1", owner="bo"), {"owner": "bo"})
    again = desk.cards.refresh("churn/3")
    assert (again.stage, again.revision, again.text("owner"), again.facts.owner) == (CardStage.DRAFT, 2, "Anna", "bo")


def test_what_names_no_version_or_says_nothing_is_refused(desks):
    desk = desks[0]
    for version in ("churn", "/3", ""):
        with pytest.raises(Invalid, match="names no version"):
            desk.cards.show(version)
    with pytest.raises(NotFound):
        desk.cards.edit("churn/9", {"limits": "x"})
    with pytest.raises(Invalid, match="Nothing is to be written"):
        desk.cards.edit("churn/3")
    with pytest.raises(Refused, match="Nobody has written a card"):
        desk.cards.publish("churn/3")
    with pytest.raises(Invalid, match="no form"):
        desk.cards.export("churn/3", "docx")


def test_an_edit_of_what_was_changed_meanwhile_is_refused(desks):
    desk = desks[0]
    seen = desk.cards.edit("churn/3", {"limits": "one"}).sha256
    desk.cards.edit("churn/3", {"limits": "two"}, expected=seen)
    with pytest.raises(Refused, match="something else by now"):
        desk.cards.edit("churn/3", {"limits": "three"}, expected=seen)
    assert desk.cards.show("churn/3").text("limits") == "two"


def test_two_who_edit_at_once_both_are_heard(desks):
    desk = desks[0]
    threads = [
        threading.Thread(target=desk.cards.edit, args=("churn/3", {name: name}))
        for name in ("limits", "notes", "risks")
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    shown = desk.cards.show("churn/3")
    assert [shown.text(name) for name in ("limits", "notes", "risks")] == ["limits", "notes", "risks"]
    assert len(shown.steps) == 3


def test_each_change_is_announced(desks):
    desks[0].cards.edit("churn/3", WHOLE)
    desks[0].cards.submit("churn/3")
    assert [one.stage for one in desks[0].told] == [CardStage.DRAFT, CardStage.IN_REVIEW]
    assert (desks[0].cards.list("churn")[0].stage, desks[0].cards.list("other")) == (CardStage.IN_REVIEW, [])
