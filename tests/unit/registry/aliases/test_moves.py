"""Moves: asked anew when it moved meanwhile, undone in one act, and never told as done when nobody knows."""

import threading

import pytest

from mlops_desk.kit.base.errors import Invalid, NotFound, Refused, TimedOut, Unavailable
from mlops_desk.registry.records.alias_move import Follower
from mlops_desk.registry.records.comparison import ComparedGroup, ComparedValue


def at(world, alias="champion"):
    return world.own.model("churn").aliases.get(alias)


def undone(world, model):
    """Do what an undo says."""
    given = dict(model.undo.arguments)
    verb = model.undo.verb.partition(".")[2]
    if verb == "remove_alias":
        return world.aliases.remove(given["model"], given["alias"], None, given["expected"])
    if verb == "rollback":
        return world.aliases.back(given["model"], given["alias"], None, given["expected"], given["version"])
    return world.aliases.move(given["model"], given["alias"], given["version"], None, given["expected"])


def test_each_move_can_be_undone_exactly(world):
    made = world.aliases.move("churn", "champion", "2", None)
    assert made.undo.command == "mlops-desk models remove-alias churn --alias champion --expected 2"
    undone(world, made)
    assert at(world) is None

    world.aliases.move("churn", "champion", "1", None)
    moved = world.aliases.move("churn", "champion", "3", None)
    assert moved.undo.command == "mlops-desk models rollback churn --alias champion --expected 3 --version 1"
    undone(world, moved)
    assert at(world) == "1"

    removed = world.aliases.remove("churn", "champion", None, None)
    assert at(world) is None
    undone(world, removed)
    assert at(world) == "1"

    world.aliases.move("churn", "champion", "4", None)
    back = world.aliases.back("churn", "champion", None, None, None)
    assert at(world) == "1"
    undone(world, back)
    assert at(world) == "4"


def test_an_undo_is_refused_once_somebody_else_has_moved_it(world):
    world.aliases.move("churn", "champion", "1", None)
    moved = world.aliases.move("churn", "champion", "2", None)
    world.own.set_alias("churn", "champion", "4")
    with pytest.raises(Refused, match="points at version 4 by now; when you looked it pointed at version 2"):
        undone(world, moved)
    assert at(world) == "4"


def test_names_are_quoted_in_the_command_of_an_undo(world):
    world.add("it's mine")
    made = world.aliases.move("it's mine", "champion", "1", None)
    assert """'it'"'"'s mine'""" in made.undo.command


def test_a_move_to_where_it_points_is_none_and_has_no_undo(world):
    world.aliases.move("churn", "champion", "2", None)
    again = world.aliases.move("churn", "champion", "2", None)
    assert again.undo is None
    assert len(world.told()) == 1


def test_there_is_no_such_version(world):
    with pytest.raises(NotFound):
        world.aliases.move("churn", "champion", "9", None)
    assert world.told() == []
    assert world.state.alias_moves.count() == 0


def test_a_way_back_that_there_is_not_is_refused_with_the_reason(world):
    with pytest.raises(Refused, match="Nobody has seen churn@champion point at another version before"):
        world.aliases.back("churn", "champion", None, None, None)
    world.aliases.move("churn", "champion", "1", None)
    world.aliases.move("churn", "champion", "2", None)
    world.own.delete_model("churn", "1")
    with pytest.raises(Refused, match="pointed at version 1 before, which is deleted"):
        world.aliases.back("churn", "champion", None, None, None)
    assert at(world) == "2"


def test_a_way_back_sees_what_was_moved_elsewhere(world):
    world.aliases.move("churn", "champion", "1", None)
    world.own.set_alias("churn", "champion", "3")
    assert world.aliases.back("churn", "champion", None, None, None).aliases == {"champion": "1"}


def test_an_alias_that_there_is_not_is_not_removed(world):
    world.own.set_alias("churn", "next", "2")
    with pytest.raises(NotFound, match="has no alias champion") as refused:
        world.aliases.remove("churn", "champion", None, None)
    assert refused.value.hint == "Its aliases are next."


def test_a_server_that_broke_off_after_it_moved_has_moved(world):
    world.own.after = Unavailable("The connection broke.")
    assert world.aliases.move("churn", "champion", "2", None).aliases == {"champion": "2"}
    assert [target for _, _, target, _ in world.told()] == ["2"]


def test_a_server_that_broke_off_before_it_moved_has_not(world):
    world.own.before = Unavailable("The connection broke.")
    with pytest.raises(Unavailable, match=r"The connection broke\. churn@champion was not moved\.") as failed:
        world.aliases.move("churn", "champion", "2", None)
    assert not isinstance(failed.value, TimedOut)
    assert world.state.alias_moves.count() == 0


def test_a_server_that_gave_no_answer_may_still_move_it_and_then_it_was_us(world):
    world.own.before = TimedOut("No answer within 15 s.")
    with pytest.raises(TimedOut, match="does not exist so far; the server may still move it"):
        world.aliases.move("churn", "champion", "2", None)
    world.own.heal()
    world.own.set_alias("churn", "champion", "2")
    world.clock.at += 5
    (told,) = world.told()
    assert told[2] == "2"
    assert told[3] is not None


def test_a_server_that_is_gone_afterwards_leaves_it_unknown(world):
    world.own.after, world.own.blind = Unavailable("The connection broke."), Unavailable("Nothing answers.")
    with pytest.raises(TimedOut, match="Whether churn@champion was moved is not known"):
        world.aliases.move("churn", "champion", "2", None)
    world.own.heal()
    (told,) = world.told()
    assert told[2:] == ("2", told[3])
    assert told[3] is not None


def test_of_two_who_move_from_the_same_place_one_is_refused(world):
    world.own.set_alias("churn", "champion", "1")
    at_once, outcomes = threading.Barrier(2), []

    def move(version):
        at_once.wait()
        try:
            world.aliases.move("churn", "champion", version, None, "1")
            outcomes.append("moved")
        except Refused:
            outcomes.append("refused")

    people = [threading.Thread(target=move, args=(version,)) for version in ("2", "3")]
    for one in people:
        one.start()
    for one in people:
        one.join(10)
    assert sorted(outcomes) == ["moved", "refused"]


def test_a_preview_shows_both_sides_who_follows_and_where_it_was(world):
    world.aliases.move("churn", "champion", "1", None)
    row = ComparedValue(ComparedGroup.METRICS, "auc", (0.8, 0.9), differs=True, best=1)
    world.aliases.compared = lambda model, a, b, uri: [row] if (model, a, b, uri) == ("churn", "1", "2", None) else []
    world.aliases.followers = lambda model, _alias, _uri: (Follower(f"{model}-prod", "1", follows=False),)
    shown = world.aliases.preview("churn", "champion", "2", None)
    assert (shown.from_version, shown.to_version, shown.expected) == ("1", "2", "1")
    assert shown.values == (row,)
    assert shown.followers == (Follower("churn-prod", "1", follows=False),)
    assert [move.to_version for move in shown.history] == ["1"]


def test_a_preview_of_an_alias_that_is_new_has_nothing_to_compare_with(world):
    world.aliases.compared = lambda *_: pytest.fail("there is nothing to compare")
    shown = world.aliases.preview("churn", "next", "2", None)
    assert (shown.from_version, shown.expected, shown.values) == (None, "none", ())
    assert world.aliases.preview("churn", "next", "2", None).history == ()


def test_a_preview_of_a_version_that_there_is_not_says_so(world):
    with pytest.raises(NotFound):
        world.aliases.preview("churn", "champion", "9", None)


def test_an_empty_alias_is_none():
    from mlops_desk.registry.aliases.alias_operations import check_alias

    with pytest.raises(Invalid):
        check_alias("  ")
    assert check_alias(" champion ") == "champion"


def test_the_history_of_a_model_that_never_was_or_of_a_registry_that_is_away_is_an_error_and_not_an_empty_one(world):
    with pytest.raises(NotFound, match="no registered model"):
        world.aliases.history("nobody", "", None, None)
    world.own.blind = world.own.before = Unavailable("Nothing answers.")
    with pytest.raises(Unavailable):
        world.aliases.move("churn", "champion", "1", None)
    with pytest.raises(Unavailable, match="Nothing answers"):
        world.aliases.history("nobody", "", None, None)


def test_the_history_of_a_model_that_is_gone_stays(world):
    world.aliases.move("churn", "champion", "1", None)
    world.own.delete_model("churn", None)
    assert [move.to_version for move in world.aliases.history("churn", "", None, None)][-1] == "1"
