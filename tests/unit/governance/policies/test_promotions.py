"""Moves of aliases under a policy: refused by every verb, made once enough people have agreed, whatever comes between."""

import threading
from dataclasses import replace
from types import SimpleNamespace

import pytest

from mlops_desk.automation.records.approval import ApprovalKind
from mlops_desk.automation.records.pipelines.run import PipelineRun, PipelineState
from mlops_desk.governance.policies.decision import MoveAsked
from mlops_desk.governance.records.card import CardFacts, CardOfVersion, CardStage
from mlops_desk.governance.records.policy import PromotionState, WordState
from mlops_desk.kit.base.caller import Caller, set_caller
from mlops_desk.kit.base.errors import Invalid, NotFound, Refused, TimedOut, Unavailable
from mlops_desk.registry.records.model import Run
from tests.unit.governance.policies.rig import ANNA, BO, CY, as_user

MOVES = {
    "promote": lambda models: models.promote("churn", "champion", "2"),
    "alias": lambda models: models.alias("churn", "champion", "2"),
    "alias that was seen": lambda models: models.alias("churn", "champion", "2", None, "1"),
    "rollback": lambda models: models.rollback("churn", "champion", version="2"),
    "remove": lambda models: models.remove_alias("churn", "champion"),
}


@pytest.mark.parametrize("move", MOVES)
def test_no_verb_moves_an_alias_past_its_policy(world, move):
    world.policy(people=2)
    with pytest.raises(Refused, match="has a policy"):
        MOVES[move](world.models)
    assert world.champion == "1"


@pytest.mark.parametrize("move", [one for one in MOVES if one != "remove"])
def test_each_verb_moves_it_once_enough_have_agreed_and_the_approvals_are_spent(world, move):
    world.policy(people=1)
    words = world.governing.ledger
    asked = MoveAsked("own", "churn", "champion", "2")
    world.governing.ledger.say(asked, world.governing.evidences.of(asked).sha256, "person", f"uid {BO}", "bo")
    MOVES[move](world.models)
    assert world.champion == "2"
    assert [one.state for one in words.words(asked)] == [WordState.USED]


def test_a_refusal_says_what_lacks_and_how_to_get_it(world):
    world.policy(people=2)
    with pytest.raises(Refused) as refused:
        world.models.promote("churn", "champion", "2")
    assert "version 2 does not meet it: 0 of 2 people have approved it. It was not moved." in refused.value.message
    assert "mlops-desk approvals ask churn/2 --alias champion" in refused.value.hint


def test_other_aliases_and_other_models_move_as_ever(world):
    world.own.add_version("other")
    world.policy(people=2)
    world.models.promote("churn", "challenger", "2")
    world.models.promote("other", "champion", "1")
    assert world.own.model("churn").aliases["challenger"] == "2"
    world.models.promote("churn", "champion", "1")  # it is there already


def test_two_different_people_are_two_identities_and_never_the_same_one_twice(world):
    world.policy(people=2)
    asked = world.approvals.ask("churn/2", why="better")
    assert (asked.kind, asked.people, asked.agreed, asked.state) == (ApprovalKind.PROMOTION, 2, (), "waiting")
    said = world.approvals.approve(asked.id[:8], why="better on both sets")
    assert (said.agreed, world.champion) == ((f"uid {ANNA}",), "1")
    with pytest.raises(Refused, match="has agreed already"):
        world.approvals.approve(asked.id)
    assert [one.agreed for one in world.approvals.list()] == [(f"uid {ANNA}",)]
    as_user(BO)
    done = world.approvals.approve(asked.id)
    assert (done.state, world.champion) == ("moved", "2")
    told = [(f"uid {ANNA}", True, "better on both sets"), (f"uid {BO}", True, "")]
    assert [(one.user, one.agrees, one.why) for one in done.said] == told
    wanted = MoveAsked("own", "churn", "champion", "2")
    assert [one.why for one in world.governing.ledger.words(wanted)] == ["better on both sets", ""]
    assert world.approvals.list() == []
    assert world.core.aliases.history("churn", "champion", None, None)[0].who == f"uid {BO}"
    with pytest.raises(NotFound):
        world.approvals.approve(asked.id)


def test_what_was_seen_is_approved_and_no_other_move(world):
    world.policy(people=1)
    asked = world.approvals.ask("churn/2")
    world.own.set_alias("churn", "champion", "3")
    with pytest.raises(Refused, match="is version 3 by now"):
        world.approvals.approve(asked.id, expected="1")
    assert world.approvals.approve(asked.id, expected="3").state == "moved"


def test_what_one_person_rejects_stays_and_what_was_agreed_counts_no_more(world):
    world.policy(people=2)
    asked = world.approvals.ask("churn/2")
    world.approvals.approve(asked.id)
    as_user(BO)
    rejected = world.approvals.reject(asked.id, why="the labels are old")
    assert (rejected.state, rejected.said[-1].why, rejected.said[-1].agrees) == (
        "rejected",
        "the labels are old",
        False,
    )
    again = world.approvals.ask("churn/2")
    assert (again.id != asked.id, again.agreed, world.champion) == (True, (), "1")


def test_who_asked_or_trained_may_not_approve_where_the_policy_says_so(world):
    world.policy(people=1, not_author=True)
    asked = world.approvals.ask("churn/2")
    with pytest.raises(Refused, match="asks for its move"):
        world.approvals.approve(asked.id)
    as_user(BO)
    assert world.approvals.approve(asked.id).state == "moved"


def test_only_those_whom_it_names_approve_and_the_policy_tells_of_who_can_not_come(world, monkeypatch):
    uids = {"bo": BO, "cy": CY}
    monkeypatch.setattr("pwd.getpwnam", lambda name: type("Row", (), {"pw_uid": uids[name]}))
    policy = world.policy(people=1, who="bo, cy")
    assert policy.uids == (BO, CY)
    assert policy.trouble == "This agent does not let in cy, so they can't approve."
    asked = world.approvals.ask("churn/2")
    with pytest.raises(Refused, match="Only bo and cy may approve"):
        world.approvals.approve(asked.id)
    as_user(BO)
    assert world.approvals.approve(asked.id).state == "moved"


@pytest.mark.parametrize(
    ("own", "given", "trouble"),
    [
        (0, {"people": 2}, "2 of the accounts that reach this agent (root) would have to approve."),
        (0, {"people": 1}, None),
        (0, {"people": 0, "not_author": True}, None),
        (
            0, {"people": 1, "not_author": True},
            "1 of the accounts that reach this agent (root) would have to approve besides whoever trained it or asks for it.",
        ),
        (ANNA, {"people": 2}, None),
        (ANNA, {"people": 1, "not_author": True}, None),
        (
            ANNA,
            {"people": 2, "not_author": True},
            ("2 of the accounts that reach this agent (root, uid 64002) would have to approve besides whoever trained it "
            "or asks for it."),
        ),
    ],
)  # fmt: skip
def test_what_nobody_can_meet_is_said_when_it_is_set(world, monkeypatch, own, given, trouble):
    monkeypatch.setattr("os.getuid", lambda: own)
    monkeypatch.setattr(world.policies, "_admits", lambda uid: uid in {0, own})
    expected = None if trouble is None else f"It can't be met: {trouble}"
    assert world.policy(**given).trouble == expected
    assert world.policies.show("churn").trouble == expected


@pytest.mark.parametrize(
    ("given", "what"),
    [
        ({"people": 3}, "0 to 2 people"), ({"people": -1}, "0 to 2 people"), ({"who": "nobody-of-that-name"}, "no account"),
        ({"people": 2, "who": "root"}, "2 people have to approve, and 1 may"), ({"signed_tag": True}, "signed tag"),
    ],
)  # fmt: skip
def test_a_policy_that_could_never_be_met_is_none(world, given, what):
    with pytest.raises(Invalid, match=what):
        world.policies.set("churn", **given)
    assert world.policies.list() == []


def test_a_policy_of_a_model_that_is_not_there_is_refused_and_one_that_nobody_can_see_says_so(world):
    with pytest.raises(NotFound):
        world.policies.set("chrun")
    world.registries.away = True
    assert "could not be seen" in world.policies.set("chrun").trouble


@pytest.mark.parametrize(
    "change",
    [
        lambda world: world.own.log_metric("run-2", "auc", 0.5),
        lambda world: world.own.log_metric("run-1", "auc", 0.99),
        lambda world: world.own.set_alias("churn", "champion", "3"),
    ],
    ids=["the challenger's metrics", "the champion's metrics", "another champion"],
)
def test_an_approval_lapses_when_what_was_compared_changes(world, change):
    world.policy(people=2)
    asked = world.approvals.ask("churn/2")
    world.approvals.approve(asked.id)
    change(world)
    (waiting,) = world.approvals.list()
    assert (waiting.agreed, waiting.lapsed) == ((), (f"uid {ANNA}",))
    as_user(BO)
    assert world.approvals.approve(asked.id).agreed == (f"uid {BO}",)
    as_user(ANNA)
    assert world.approvals.approve(asked.id).state == "moved"


def test_approvals_of_one_move_are_none_of_the_same_move_later(world):
    world.policy(people=1)
    world.approvals.approve(world.approvals.ask("churn/2").id)
    world.approvals.approve(world.approvals.ask("churn/1").id)
    assert world.champion == "1"
    with pytest.raises(Refused, match="nobody has approved it"):
        world.models.promote("churn", "champion", "2")


def test_approvals_that_were_never_spent_are_none_of_the_same_move_later(world):
    """An agent that is killed right after a move has not noted that its approvals are spent."""
    world.policy(people=1)
    world.governing.ledger.spend = lambda _asked: (_ for _ in ()).throw(Unavailable("The disk is full."))
    world.approvals.approve(world.approvals.ask("churn/2").id)
    world.policies.remove("churn")
    world.models.promote("churn", "champion", "1")
    world.policy(people=1)
    with pytest.raises(Refused, match=r"nobody has approved it\. uid 64002 approved it on another comparison"):
        world.models.promote("churn", "champion", "2")


def test_back_to_where_it_was_goes_freely_where_the_policy_says_so_and_nowhere_else(world):
    world.models.promote("churn", "champion", "2")
    world.policy(people=2)
    with pytest.raises(Refused, match="0 of 2"):
        world.models.rollback("churn", "champion")
    world.policy(people=2, free_rollback=True)
    with pytest.raises(Refused):
        world.models.rollback("churn", "champion", version="3")
    with pytest.raises(Refused):
        world.models.promote("churn", "champion", "1")
    world.models.rollback("churn", "champion")
    assert world.champion == "1"


@pytest.mark.parametrize(
    ("card", "what"),
    [
        (None, "nobody here has written the card of churn/2"),
        (CardStage.DRAFT, "the card of churn/2 is a draft, not approved"),
        (CardStage.IN_REVIEW, "the card of churn/2 is in review, not approved"),
        (CardStage.APPROVED, None),
    ],
)
def test_a_policy_may_want_the_card_approved(world, card, what):
    world.policy(people=0, card=True)
    facts = CardFacts(run_id="run-2", created_at=2.0)
    made = None if card is None else CardOfVersion("churn", "2", stage=card, revision=1, facts=facts)
    world.governing.evidences.card = lambda _model, _version, _uri: made
    assert world.policies.check("churn", "2").lacking == (() if what is None else (what,))
    if what is None:
        world.models.promote("churn", "champion", "2")
        assert world.champion == "2"
    else:
        with pytest.raises(Refused, match=what):
            world.models.promote("churn", "champion", "2")


def test_the_card_of_a_version_that_had_the_number_before_counts_for_nothing(world):
    world.policy(people=0, card=True)
    facts = CardFacts(run_id="run-2", created_at=1.0)
    card = CardOfVersion("churn", "2", stage=CardStage.APPROVED, revision=1, facts=facts)
    world.governing.evidences.card = lambda _model, _version, _uri: card
    with pytest.raises(Refused, match="of another version that had its number before"):
        world.models.promote("churn", "champion", "2")


def test_what_asks_for_more_than_people_moves_by_itself_once_that_is_there(world):
    world.policy(people=1, card=True)
    asked = world.approvals.ask("churn/2")
    assert world.approvals.approve(asked.id).lacking == ("nobody here has written the card of churn/2",)
    facts = CardFacts(run_id="run-2", created_at=2.0)
    card = CardOfVersion("churn", "2", stage=CardStage.APPROVED, revision=1, facts=facts)
    world.governing.evidences.card = lambda _model, _version, _uri: card
    world.promotions.settle_all()
    assert (world.champion, world.approvals.list()) == ("2", [])


def test_a_policy_that_wants_more_while_it_waits_is_held_and_one_that_wants_less_lets_it_go(world):
    world.policy(people=1, card=True)
    asked = world.approvals.ask("churn/2")
    world.approvals.approve(asked.id)
    world.policy(people=2)
    world.promotions.settle_all()
    assert (world.champion, world.approvals.list()[0].lacking) == ("1", ("1 of 2 people have approved it",))
    world.policy(people=1)
    world.promotions.settle_all()
    assert world.champion == "2"


def test_a_policy_that_is_removed_while_a_move_waits_leaves_it_to_one_person(world):
    world.policy(people=2)
    asked = world.approvals.ask("churn/2")
    world.policies.remove("churn")
    world.promotions.settle_all()
    assert world.champion == "1"
    assert world.approvals.approve(asked.id).state == "moved"


def test_two_who_approve_at_once_move_it_once(world):
    world.policy(people=2)
    asked = world.approvals.ask("churn/2")
    at_once, states = threading.Barrier(2), []

    def approve(uid):
        set_caller(Caller(uid, uid, 1))
        at_once.wait(10)
        states.append(world.approvals.approve(asked.id).state)

    threads = [threading.Thread(target=approve, args=(uid,)) for uid in (ANNA, BO)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert world.champion == "2"
    assert states.count("waiting") <= 1
    assert world.promotions.find(asked.id).state is PromotionState.MOVED
    moves = world.core.aliases.history("churn", "champion", None, None)
    assert [(one.from_version, one.to_version) for one in moves[:1]] == [("1", "2")]
    assert sum(one.to_version == "2" for one in moves) == 1


def test_a_look_while_the_alias_is_being_moved_moves_nothing_and_undoes_nothing(world):
    world.policy(people=1)
    asked = world.approvals.ask("churn/2")
    move, made = world.promotions._move, []

    def slow(*given):
        made.append(given)
        if len(made) == 1:
            world.promotions.settle_all()
        return move(*given)

    world.promotions._move = slow
    assert world.approvals.approve(asked.id).state == "moved"
    assert (len(made), world.promotions.find(asked.id).state) == (1, PromotionState.MOVED)


class Killed(BaseException):
    """What ends an agent anywhere."""


def test_an_agent_that_is_killed_between_the_last_approval_and_the_move_has_it_made_by_the_next(world):
    world.policy(people=1)
    asked = world.approvals.ask("churn/2")
    world.promotions._move = lambda *_given: (_ for _ in ()).throw(Killed)
    with pytest.raises(Killed):
        world.approvals.approve(asked.id)
    assert (world.champion, world.promotions.find(asked.id).state) == ("1", PromotionState.APPROVED)
    world.restart()
    world.promotions.settle_all()
    assert (world.champion, world.promotions.find(asked.id).state) == ("2", PromotionState.MOVED)


def test_an_agent_that_is_killed_right_after_the_move_finds_it_made(world):
    world.policy(people=1)
    asked = world.approvals.ask("churn/2")
    move = world.promotions._move

    def killed(*given):
        move(*given)
        raise Killed

    world.promotions._move = killed
    with pytest.raises(Killed):
        world.approvals.approve(asked.id)
    world.restart()
    world.promotions.settle_all()
    assert (world.champion, world.promotions.find(asked.id).state) == ("2", PromotionState.MOVED)
    assert sum(one.to_version == "2" for one in world.core.aliases.history("churn", "champion", None, None)) == 1


def test_an_agent_that_is_killed_before_it_decides_finds_the_approval(world):
    world.policy(people=2)
    asked = world.approvals.ask("churn/2")
    world.approvals.approve(asked.id)
    as_user(BO)
    settle = world.promotions.settle
    world.promotions.settle = lambda _request: (_ for _ in ()).throw(Killed)
    with pytest.raises(Killed):
        world.approvals.approve(asked.id)
    world.promotions.settle = settle
    world.restart()
    world.promotions.settle_all()
    assert world.champion == "2"


def test_a_registry_that_goes_away_in_between_gets_the_move_when_it_is_back(world):
    world.policy(people=1)
    asked = world.approvals.ask("churn/2")
    world.promotions._move, move = (
        (lambda *_given: (_ for _ in ()).throw(TimedOut("No answer."))),
        world.promotions._move,
    )
    told = world.approvals.approve(asked.id)
    assert (told.state, told.text) == ("approved", "No answer.")
    world.promotions._move = move
    world.registries.away = True
    world.promotions.settle_all()
    assert "can't be told" in world.approvals.list()[0].lacking[0]
    world.registries.away = False
    world.promotions.settle_all()
    assert world.champion == "2"


def test_who_looks_when_the_move_is_made_at_last_has_not_decided_it(world):
    world.policy(people=1)
    asked = world.approvals.ask("churn/2")
    real = world.promotions._move
    world.promotions._move = lambda *_given: (_ for _ in ()).throw(TimedOut("No answer."))
    world.approvals.approve(asked.id)
    world.promotions._move = real
    as_user(BO)
    world.promotions.settle_all()
    made = world.promotions.find(asked.id)
    assert (made.state, made.decided_by) == (PromotionState.MOVED, f"uid {ANNA}")


def test_an_alias_that_moves_elsewhere_in_the_last_moment_is_not_moved_over_that(world):
    world.policy(people=1)
    asked = world.approvals.ask("churn/2")
    real = world.promotions._move

    def late(*given):
        world.own.set_alias("churn", "champion", "3")
        return real(*given)

    world.promotions._move = late
    told = world.approvals.approve(asked.id)
    assert (told.state, world.champion) == ("waiting", "3")


def test_a_check_tells_who_has_agreed(world):
    world.policy(people=2)
    world.approvals.approve(world.approvals.ask("churn/2").id)
    standing = world.policies.check("churn", "2")
    assert (standing.agreed, standing.passes) == ((f"uid {ANNA}",), False)


def test_a_version_that_is_deleted_while_it_waits_lapses(world):
    world.policy(people=2)
    asked = world.approvals.ask("churn/2")
    world.own.delete_model("churn", "2")
    world.promotions.settle_all()
    assert world.promotions.find(asked.id).state is PromotionState.LAPSED
    assert world.approvals.list() == []


def test_a_policy_that_can_not_be_read_lets_nothing_through(world):
    world.policy(people=1)
    table = world.state.approval_policies
    with table._database.transaction() as connection:
        connection.exec_driver_sql("""update approval_policies set document = '{"model": 3}'""")
    with pytest.raises(Refused, match="can't be read"):
        world.models.promote("churn", "champion", "2")
    (listed,) = world.policies.list()
    assert (listed.model, listed.alias, listed.registry, listed.is_damaged) == ("churn", "champion", "own", True)
    assert "can't be read, so nobody can tell what it wants" in listed.trouble
    world.policies.remove("churn")
    assert world.policies.list() == []
    world.models.promote("churn", "champion", "2")
    assert world.champion == "2"


def test_a_registry_that_can_not_be_read_lets_nothing_through_either(world):
    world.policy(people=0)
    world.registries.away = True
    with pytest.raises(Unavailable):
        world.models.promote("churn", "champion", "2")


def test_a_signed_tag_counts_beside_people_and_never_twice_under_one_name(world):
    world.policy(people=0, signed_tag=True, signers="anna ssh-ed25519 AAAA")
    asked = MoveAsked("own", "churn", "champion", "2")
    waiting = world.approvals.ask("churn/2")
    assert waiting.lacking == ("no signed tag asks for it",)
    world.promotions.tagged(replace(asked, version="3"), "SHA256:k", "anna", ("promote/churn/3", "c0ffee"))
    assert world.champion == "1"
    with pytest.raises(Refused, match="was moved since"):
        world.promotions.tagged(replace(asked, version="3"), "SHA256:k", "anna", ("promote/churn/3", "decade"))
    world.promotions.tagged(asked, "SHA256:k", "anna", ("promote/churn/2", "c0ffee"))
    assert world.champion == "2"
    moved = world.promotions.told(world.promotions.find(waiting.id))
    assert (moved.state, moved.lacking, moved.lapsed) == ("moved", (), ())


def test_a_tag_that_nobody_wants_counts_for_nothing(world):
    world.policy(people=1)
    with pytest.raises(Refused, match="wants no signed tag"):
        world.promotions.tagged(MoveAsked("own", "churn", "champion", "2"), "SHA256:k", "a", ("t", "o"))


@pytest.mark.parametrize("version", ["churn", "churn@champion", "/2", ""])
def test_what_names_no_version_is_asked_for_by_nobody(world, version):
    with pytest.raises(Invalid):
        world.approvals.ask(version)


def test_a_move_to_where_it_is_is_not_asked_for_and_one_that_waits_is_not_doubled(world):
    world.policy(people=2)
    with pytest.raises(Refused, match="already"):
        world.approvals.ask("churn/1")
    assert world.approvals.ask("churn/2").id == world.approvals.ask("churn/2").id
    assert len(world.events) == 2, "the policy, and one request"


def test_a_run_that_is_gone_keeps_nobody_from_deciding(world):
    world.own._runs.pop("run-2")
    world.policy(people=1)
    assert world.approvals.approve(world.approvals.ask("churn/2").id).state == "moved"


def test_who_trained_it_is_an_author(world):
    world.jobs["run-2"] = SimpleNamespace(owner=SimpleNamespace(uid=BO))
    world.policy(people=1, not_author=True)
    asked = world.approvals.ask("churn/2")
    as_user(BO)
    with pytest.raises(Refused, match="trained version 2"):
        world.approvals.approve(asked.id)


def test_metrics_that_are_no_numbers_are_evidence_too(world):
    world.own.add_run("e", Run("run-2", None, "FINISHED", 1, metrics={"auc": float("nan")}))
    world.policy(people=1)
    assert world.approvals.approve(world.approvals.ask("churn/2").id).state == "moved"


def test_a_first_move_is_approved_as_it_was_seen_and_by_nobody_who_saw_another(world):
    world.policies.set("churn", alias="staging", people=1)
    asked = world.approvals.ask("churn/2", alias="staging")
    assert asked.champion is None
    with pytest.raises(Refused, match="is version none by now"):
        world.approvals.approve(asked.id, expected="1")
    assert world.approvals.approve(asked.id, expected="none").state == "moved"


def never():
    return False


def test_an_alias_that_is_nowhere_is_moved_only_while_it_is(world):
    world.policies.set("churn", alias="staging", people=0)
    assert world.governing.gate.admit("own", "churn", "staging", "2", None, never, never) == "none"
    assert world.governing.gate.admit("own", "churn", "champion", "2", None, never, never) is None


@pytest.mark.parametrize("act", ["approve", "reject"])
def test_what_is_over_takes_no_word(world, act):
    world.policy(people=2)
    asked = world.approvals.ask("churn/2")
    world.promotions.reject(asked.id)
    as_user(BO)
    with pytest.raises(Refused, match="does not wait for anybody: it is rejected"):
        getattr(world.promotions, act)(asked.id)
    assert world.governing.ledger.words(MoveAsked("own", "churn", "champion", "2")) == []


def test_what_was_taken_back_is_not_what_had_its_effect(world):
    ledger, asked = world.governing.ledger, MoveAsked("own", "churn", "champion", "2")
    ledger.say(asked, "then", "person", f"uid {BO}", "bo")
    ledger.take_back(asked)
    ledger.say(asked, "now", "person", f"uid {ANNA}", "anna")
    ledger.spend(asked)
    assert [one.state for one in ledger.words(asked)] == [WordState.TAKEN_BACK, WordState.USED]


def test_who_asked_takes_it_back_though_the_policy_names_others(world, monkeypatch):
    monkeypatch.setattr("pwd.getpwnam", lambda name: type("Row", (), {"pw_uid": BO}))
    world.policy(people=1, who="bo")
    asked = world.approvals.ask("churn/2")
    as_user(CY)
    with pytest.raises(Refused, match="Only bo decide here"):
        world.approvals.reject(asked.id)
    as_user(ANNA)
    assert world.approvals.reject(asked.id).state == "rejected"


def test_of_a_retraining_nobody_says_no_whom_the_policy_does_not_name(world, monkeypatch):
    monkeypatch.setattr("pwd.getpwnam", lambda name: type("Row", (), {"pw_uid": BO}))
    approving = world.governing.approving
    run = PipelineRun("p", "nightly", PipelineState.WAITING_FOR_APPROVAL, model="churn", alias="champion",
                      champion_version="1", challenger_version="2", created_by=ANNA)  # fmt: skip
    asked = MoveAsked("own", "churn", "champion", "2")
    world.governing.ledger.say(asked, "now", "person", f"uid {ANNA}", "anna")
    world.policy(people=1, who="bo")
    as_user(CY)
    with pytest.raises(Refused, match="Only bo decide here"):
        approving.take_back(run)
    assert [one.state for one in world.governing.ledger.words(asked)] == [WordState.GIVEN]
    for uid in (ANNA, BO):  # whose rule it is, and whom the policy names
        as_user(uid)
        approving.take_back(run)
    assert [one.state for one in world.governing.ledger.words(asked)] == [WordState.TAKEN_BACK]


@pytest.mark.parametrize("signers", ["", "# only words\n\n   # and more\n"])
def test_a_file_without_a_key_signs_nothing(world, signers):
    with pytest.raises(Invalid, match="no key is named"):
        world.policies.set("churn", people=0, signed_tag=True, signers=signers)


@pytest.mark.parametrize(
    ("signers", "said"),
    [
        ("-----BEGIN PGP PRIVATE KEY BLOCK-----\n", "secret key, which belongs in no policy"),
        ("-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nmDME\n", "the file was cut"),
        ("anna ssh-ed25519 AAAA\n" * 4000, "longer than 64 KiB"),
    ],
)
def test_keys_that_no_tag_could_be_held_against_are_not_kept(world, signers, said):
    with pytest.raises(Invalid, match=said):
        world.policies.set("churn", people=0, signed_tag=True, signers=signers)
    assert world.policies.list() == []


def test_two_names_of_one_account_are_one_person(world, monkeypatch):
    monkeypatch.setattr("pwd.getpwnam", lambda name: type("Row", (), {"pw_uid": BO}))
    with pytest.raises(Invalid, match="2 people have to approve, and 1 may"):
        world.policy(people=2, who="bo, bob")


def test_that_a_tag_has_made_a_move_is_told_while_the_alias_is_there(world):
    world.policy(people=0, signed_tag=True, signers="anna ssh-ed25519 AAAA")
    world.approvals.ask("churn/2")
    asked, tag = MoveAsked("own", "churn", "champion", "2"), ("promote/churn/2", "c0ffee")
    assert world.promotions.made_by(asked, tag) is None
    world.promotions.tagged(asked, "SHA256:k", "anna", tag)
    assert world.promotions.made_by(asked, tag).state == "moved"
    assert world.promotions.made_by(asked, (tag[0], "decade")) is None
    world.own.set_alias("churn", "champion", "1")
    assert world.promotions.made_by(asked, tag) is None
