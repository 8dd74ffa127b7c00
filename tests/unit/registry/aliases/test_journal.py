"""Every move of an alias is kept: ours with who made it, others' with the span in which they were made."""

import getpass
import os

import pytest

from mlops_desk.kit.base.caller import user_name
from mlops_desk.kit.base.errors import NotFound, Unavailable
from mlops_desk.registry.aliases import journal as journal_module

ME = user_name(os.getuid())


def test_our_moves_are_kept_with_who_made_them_and_when(world):
    world.aliases.move("churn", "champion", "1", None)
    world.clock.at += 60
    world.as_user(64_002)
    world.aliases.move("churn", "champion", "3", None)
    assert world.told() == [
        (1_000_000.0, None, "1", ME),
        (1_000_060.0, "1", "3", "uid 64002"),
    ]


def test_a_move_that_was_made_elsewhere_lies_between_two_looks(world):
    world.own.set_alias("churn", "champion", "1")
    assert world.look() == []
    world.clock.at += 10
    world.look()
    world.own.set_alias("churn", "champion", "2")
    world.clock.at += 10
    (move,) = world.look()
    assert (move.from_version, move.to_version, move.who) == ("1", "2", None)
    assert (move.seen_since, move.at, move.is_gap) == (1_000_010.0, 1_000_020.0, False)


def test_how_it_stood_when_it_was_first_looked_at_is_told_and_no_move(world):
    world.own.set_alias("churn", "champion", "2")
    world.look()
    world.clock.at += 5
    (first,) = world.aliases.history("churn", "champion", None, None)
    assert (first.at, first.from_version, first.to_version, first.who, first.seen_since) == (
        1_000_000.0, None, "2", None, None,
    )  # fmt: skip
    world.aliases.move("churn", "champion", "3", None)
    assert world.told() == [(1_000_000.0, None, "2", None), (1_000_005.0, "2", "3", ME)]


def test_a_week_without_an_agent_is_a_gap(world):
    world.own.set_alias("churn", "champion", "1")
    world.look()
    world.journal.flush()
    world.own.set_alias("churn", "champion", "4")
    world.restart()
    world.clock.at += 7 * 86400
    (move,) = world.look()
    assert (move.from_version, move.to_version, move.seen_since, move.is_gap) == ("1", "4", 1_000_000.0, True)


def test_an_alias_that_was_deleted_and_made_again_is_two_moves(world):
    world.aliases.move("churn", "champion", "2", None)
    world.look()
    world.own.remove_alias("churn", "champion")
    world.clock.at += 10
    world.look()
    world.own.set_alias("churn", "champion", "2")
    world.clock.at += 10
    world.look()
    assert [(source, target) for _, source, target, _ in world.told()] == [(None, "2"), ("2", None), (None, "2")]


def test_a_deleted_version_takes_its_alias_with_it_and_a_deleted_model_keeps_its_history(world):
    world.aliases.move("churn", "champion", "2", None)
    world.look()
    world.own.delete_model("churn", "2")
    world.clock.at += 10
    world.look()
    assert world.told()[-1][1:3] == ("2", None)
    world.own.delete_model("churn", None)
    assert len(world.told()) == 2


def test_the_aliases_of_a_model_end_with_it(world):
    world.aliases.move("churn", "champion", "2", None)
    world.own.delete_model("churn", None)
    world.clock.at += 10
    assert world.told()[-1] == (1_000_010.0, "2", None, None)


def test_a_renamed_model_ends_under_its_old_name_and_begins_under_the_new_one(world):
    world.aliases.move("churn", "champion", "2", None)
    world.look()
    world.own.delete_model("churn", None)
    world.add("churn-2")
    world.own.set_alias("churn-2", "champion", "2")
    world.clock.at += 10
    world.look()
    assert world.told()[-1][1:3] == ("2", None)
    (begun,) = world.aliases.history("churn-2", "champion", None, None)
    assert (begun.from_version, begun.to_version, begun.seen_since) == (None, "2", 1_000_000.0)


def test_moves_stay_in_their_order_though_the_clock_was_set_back(world):
    world.aliases.move("churn", "champion", "1", None)
    world.look()
    world.clock.at -= 3600
    world.aliases.move("churn", "champion", "2", None)
    world.own.set_alias("churn", "champion", "3")
    (move,) = world.look()
    assert [target for _, _, target, _ in world.told()] == ["1", "2", "3"]
    assert move.seen_since is None  # the last look lies ahead of this one: no span can be told


def test_registries_are_told_apart(world):
    world.add("churn", 2, "http://other")
    world.aliases.move("churn", "champion", "1", None)
    world.aliases.move("churn", "champion", "2", "http://other")
    assert [target for _, _, target, _ in world.told()] == ["1"]
    assert [target for _, _, target, _ in world.told(uri="http://other")] == ["2"]


def test_models_are_told_apart_by_their_whole_names(world):
    world.add("churn ")
    world.aliases.move("churn ", "champion", "2", None)
    assert world.told() == []


def test_a_look_that_began_before_our_move_does_not_take_it_back(world):
    world.own.set_alias("churn", "champion", "1")
    world.look()
    glance = world.aliases.glance(None)
    before = world.own.models()
    world.aliases.move("churn", "champion", "2", None)
    assert world.aliases.seen(glance, before) == []
    assert world.look() == []
    assert [target for _, _, target, _ in world.told()] == ["1", "2"]


def test_of_two_looks_the_one_that_began_first_does_not_take_back_what_the_other_saw(world):
    world.own.set_alias("churn", "champion", "1")
    world.look()
    slow, old = world.aliases.glance(None), world.own.models()
    world.own.set_alias("churn", "champion", "2")
    assert len(world.look()) == 1
    assert world.aliases.seen(slow, old) == []
    assert world.look() == []


def test_what_was_moved_elsewhere_right_before_our_own_move_is_kept_too(world):
    world.own.set_alias("churn", "champion", "1")
    world.look()
    world.own.set_alias("churn", "champion", "3")
    world.aliases.move("churn", "champion", "2", None)
    assert [(source, target, who is None) for _, source, target, who in world.told()] == [
        (None, "1", True), ("1", "3", True), ("3", "2", False),
    ]  # fmt: skip


def test_the_history_of_one_model_is_looked_at_when_it_is_asked_for(world):
    world.own.set_alias("churn", "champion", "1")
    world.look()
    world.own.set_alias("churn", "champion", "4")
    world.clock.at += 10
    assert world.told()[-1] == (1_000_010.0, "1", "4", None)
    assert world.look() == []


def test_a_model_that_is_the_first_one_looked_at_does_not_make_moves_of_all_the_others(world):
    world.add("fraud")
    world.own.set_alias("fraud", "champion", "2")
    world.aliases.move("churn", "champion", "1", None)
    assert world.look() == []
    assert world.told("fraud") == [(1_000_000.0, None, "2", None)]


def test_a_registry_that_does_not_answer_still_has_its_history(world):
    world.aliases.move("churn", "champion", "1", None)
    world.own._broke, world.own.blind = True, Unavailable("Nothing answers.")
    assert [target for _, _, target, _ in world.told()] == ["1"]


def test_a_registry_that_is_not_there_has_not_lost_its_aliases(world, monkeypatch):
    world.aliases.move("churn", "champion", "1", None)

    def gone(*_):
        raise NotFound("There is no SQLite store at /x.db.")

    monkeypatch.setattr(world.own, "model", gone)
    monkeypatch.setattr(world.own, "models", gone)
    assert [target for _, _, target, _ in world.told()] == ["1"]


def test_what_was_intended_when_the_agent_died_is_settled_by_the_next_look(world):
    world.own.set_alias("churn", "champion", "1")
    world.look()
    move = _intended(world, "1", "2")
    world.restart()
    assert world.told() == [(1_000_000.0, None, "1", None)]  # not known to have happened
    world.own.set_alias("churn", "champion", "2")
    world.clock.at += 5
    assert world.look() == []
    assert world.told()[-1] == (1_000_005.0, "1", "2", move.who)


def test_what_was_intended_and_never_happened_is_forgotten(world):
    world.own.set_alias("churn", "champion", "1")
    world.look()
    _intended(world, "1", "2")
    world.restart()
    world.clock.at += 1000
    world.look()
    world.own.set_alias("churn", "champion", "2")  # by somebody else, much later
    world.clock.at += 10
    world.look()
    assert world.told()[-1] == (1_001_010.0, "1", "2", None)


def _intended(world, source, target):
    from mlops_desk.registry.records.alias_move import AliasMove

    move = AliasMove("churn", "champion", world.clock.at, source, target, getpass.getuser(), registry="own")
    world.journal.intend(move, {"churn": {"champion": source}})
    return move


def test_the_journal_is_bounded_and_keeps_the_newest(world, monkeypatch):
    monkeypatch.setattr(journal_module, "KEPT_MOVES", 5)
    monkeypatch.setattr(journal_module, "_KEPT_SPARE", 2)
    world.look()
    for number in range(12):
        world.clock.at += 1
        world.aliases.move("churn", "champion", str(1 + number % 4), None)
    told = world.told()
    assert len(told) <= 5 + 2 + 2
    assert told[-1][:3] == (1_000_012.0, "3", "4")
    assert told[0][0] > 1_000_000.0, "how it stood at the first look is not told of a time whose moves are forgotten"


def test_a_full_disk_keeps_nobody_from_moving_an_alias(world, monkeypatch):
    def full(*_):
        raise Unavailable("There is no room.")

    monkeypatch.setattr(world.state.alias_moves, "put_all", full)
    assert world.aliases.move("churn", "champion", "2", None).aliases == {"champion": "2"}
    monkeypatch.undo()


def test_moves_outlive_the_agent(world):
    world.aliases.move("churn", "champion", "1", None)
    world.restart()
    world.clock.at += 1
    world.aliases.move("churn", "champion", "2", None)
    world.restart()
    assert [target for _, _, target, _ in world.told()] == ["1", "2"]


@pytest.mark.parametrize("name", ["a/b c", "\u202eevil", "x" * 300, 'q"uote', "[]"])
def test_hostile_names_are_names(world, name):
    world.add(name)
    world.aliases.move(name, "champion", "1", None)
    assert [target for _, _, target, _ in world.told(name)] == ["1"]


class Killed(BaseException):
    """The agent dies at this very place: nothing after it is done."""


@pytest.mark.parametrize("who", ["ours", "elsewhere"])
def test_an_agent_that_dies_between_a_move_and_how_all_stands_tells_the_move_once(world, monkeypatch, who):
    world.own.set_alias("churn", "champion", "1")
    world.look()

    def dies(_sight):
        raise Killed

    world.clock.at += 10
    with monkeypatch.context() as dying:
        dying.setattr(type(world.state.alias_sights), "put", lambda _table, _sight: dies(_sight))
        with pytest.raises(Killed):
            if who == "ours":
                world.aliases.move("churn", "champion", "2", None)
            else:
                world.own.set_alias("churn", "champion", "2")
                world.look()
    world.restart()
    world.clock.at += 10
    assert world.look() == []
    moves = [(source, target) for _, source, target, _ in world.told() if source is not None]
    assert moves == [("1", "2")]
