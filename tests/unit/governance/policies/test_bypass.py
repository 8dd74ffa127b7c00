"""An alias moved past its policy by the registry's own login: noticed, told, kept, and put back by one verb."""

import pytest

from mlops_desk.governance.policy_gate import PassedPolicies, way_back
from mlops_desk.kit.base.errors import Refused, Unavailable
from mlops_desk.registry.aliases.alias_operations import undone_by
from mlops_desk.registry.records.alias_move import AliasMove


def look(world):
    """Look at the registry, as the watch does."""
    world.core.watch.served = set
    world.core.aliases.seen(world.core.aliases.glance(None), list(world.own.models()))


@pytest.fixture
def passed(world):
    world.policy(people=2)
    look(world)
    world.own.set_alias("churn", "champion", "4")
    look(world)
    return world


def test_a_move_past_a_policy_is_told_once_and_kept_in_the_audit(passed):
    look(passed)
    (notice,) = passed.notices
    assert notice.level == "error"
    assert notice.about == ("policy", "churn@champion")
    assert "from version 1 to version 4" in notice.text
    assert notice.hint.command == "mlops-desk models rollback churn --alias champion"
    (entry,) = passed.audited
    assert (entry.verb, entry.before, entry.uid) == ("registry.alias", "1", -1)
    assert "past its policy" in entry.outcome


def test_it_is_put_back_without_approvals_and_moves_nowhere_else(passed):
    with pytest.raises(Refused):
        passed.models.rollback("churn", "champion", version="3")
    with pytest.raises(Refused):
        passed.models.alias("churn", "champion", "1")
    passed.models.rollback("churn", "champion")
    assert passed.champion == "1"
    with pytest.raises(Refused):
        passed.models.rollback("churn", "champion", version="4")
    look(passed)
    assert len(passed.notices) == 1, "what the desk moved itself is no such move"


def test_several_moves_in_a_row_are_undone_as_one(passed):
    passed.own.set_alias("churn", "champion", "3")
    look(passed)
    assert len(passed.notices) == 2
    passed.models.rollback("churn", "champion", version="1")
    assert passed.champion == "1"


def test_what_no_policy_protects_moves_as_ever(world):
    world.policy(people=2)
    look(world)
    world.own.set_alias("churn", "shadow", "2")
    look(world)
    assert (world.notices, world.audited) == ([], [])


def test_a_policy_that_nobody_can_read_protects_all_the_same(passed, monkeypatch):
    def damaged(_wanted):
        raise Refused("The policy can't be read.")

    monkeypatch.setattr(passed.governing.ledger, "policy", damaged)
    passed.own.set_alias("churn", "champion", "2")
    look(passed)
    assert len(passed.notices) == 2


def test_the_own_registry_is_looked_at_while_it_has_a_policy(world):
    assert None not in world.core.watch.served()
    world.policy()
    assert None in world.core.watch.served()


def move(source, target, who=None):
    return AliasMove("m", "champion", 1.0, source, target, who)


@pytest.mark.parametrize(
    ("moves", "version"),
    [
        ([], None),
        ([move(None, "1")], None),
        ([move(None, "1", "ann"), move("1", "2", "ann")], None),
        ([move("1", "2", "ann"), move("2", "3"), move("3", "4")], "2"),
        ([move("1", "2"), move("2", "1", "ann")], None),
        ([move("1", None), move(None, "4")], None),
    ],
)
def test_only_what_was_moved_elsewhere_last_is_undone(moves, version):
    assert undone_by(moves) == version


def test_what_stood_nowhere_before_is_put_back_by_no_verb(world):
    move = AliasMove("churn", "champion", 0.0, None, "2", registry="own")
    assert way_back(move).command == "mlops-desk models history churn"


def test_a_name_that_a_shell_would_run_is_one_word_of_the_way_back():
    move = AliasMove("my model; id", "champion", 0.0, "1", "2", registry="own")
    assert way_back(move).command == "mlops-desk models rollback 'my model; id' --alias champion"


def test_a_move_that_can_not_be_told_hides_none_of_the_others(world):
    world.policy(people=2)
    told = []

    def tell(move, sentence, _hint):
        if not told:
            told.append("kept from it")
            raise Unavailable("The disk is full.")
        told.append(sentence)

    moves = [AliasMove("churn", "champion", 0.0, "1", number, registry="own") for number in ("2", "3")]
    PassedPolicies(world.governing.ledger, tell).heard(moves)
    assert told[0] == "kept from it"
    assert "from version 1 to version 3" in told[1]
