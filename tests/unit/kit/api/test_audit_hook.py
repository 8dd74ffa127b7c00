"""What the audit hears of a changing verb, step by step: begun before the act, then what became of it."""

import errno
from collections.abc import Callable

import pytest

from mlops_desk.kit.api.audit_hook import Act, audited
from mlops_desk.kit.base.errors import DeskError, Refused
from mlops_desk.kit.records.agent import AuditEntry, AuditState
from mlops_desk.kit.verbs.declaration import verbs_of
from mlops_desk.kit.verbs.desk import PROTOCOLS

SUBMIT = next(verb for verb in verbs_of("jobs", PROTOCOLS["jobs"]) if verb.name == "submit")


def heard_of(what: Callable[[Act, list[AuditEntry]], None]) -> list[AuditEntry]:
    heard: list[AuditEntry] = []
    with audited(heard.append, SUBMIT, {"spec": "x"}) as act:
        what(act, heard)
    return heard


def test_an_act_is_begun_before_it_is_done_and_ended_under_the_same_id() -> None:
    def do(act: Act, heard: list[AuditEntry]) -> None:
        act.begins("as it was")
        (begun,) = heard
        assert (begun.state, begun.before, begun.outcome, begun.error, begun.ended_at) == (
            AuditState.BEGAN, '"as it was"', None, None, None
        )  # fmt: skip
        act.ends("as it is")

    begun, ended = heard_of(do)
    assert begun.id
    assert (ended.id, ended.at, ended.verb, ended.before) == (begun.id, begun.at, "jobs.submit", '"as it was"')
    assert (ended.state, ended.outcome, ended.error, ended.why) == (AuditState.ENDED, '"as it is"', None, None)
    assert ended.ended_at is not None
    assert ended.ended_at >= ended.at


@pytest.mark.parametrize(
    ("error", "raised", "told"),
    [
        (Refused("It is another's."), Refused, "It is another's."),
        (OSError(errno.ENOSPC, "No space left on device"), DeskError, "disk is full"),
    ],
)
def test_what_is_told_to_who_asked_is_a_failure(error: Exception, raised: type[Exception], told: str) -> None:
    heard: list[AuditEntry] = []
    with pytest.raises(raised), audited(heard.append, SUBMIT, {}) as act:
        act.begins(None)
        raise error
    assert [entry.state for entry in heard] == [AuditState.BEGAN, AuditState.ENDED]
    assert told in (heard[1].error or "")
    assert heard[1].outcome is None


@pytest.mark.parametrize("bug", [IndexError("list index"), OSError(errno.EIO + 1000, "odd")])
def test_what_a_bug_breaks_off_is_neither_done_nor_failed(bug: Exception) -> None:
    heard: list[AuditEntry] = []
    with pytest.raises(type(bug)), audited(heard.append, SUBMIT, {}) as act:
        act.begins(None)
        raise bug
    last = heard[-1]
    assert (last.state, last.outcome, last.error) == (AuditState.UNKNOWN, None, None)
    assert last.why == f"The agent broke it off ({type(bug).__name__})."


def test_what_is_refused_before_it_begins_is_one_entry() -> None:
    heard: list[AuditEntry] = []
    with pytest.raises(Refused), audited(heard.append, SUBMIT, {}):
        raise Refused("It is another's.")
    assert [(entry.state, entry.error) for entry in heard] == [(AuditState.ENDED, "It is another's.")]


def test_what_is_audited_is_cut_to_two_thousand_characters() -> None:
    long, heard = "x" * 5000, []
    with audited(heard.append, SUBMIT, {"spec": long}) as act:
        act.begins(long)
        act.ends(long)
    with pytest.raises(Refused), audited(heard.append, SUBMIT, {}):
        raise Refused(long)
    told = [heard[0].arguments, heard[0].before, heard[1].outcome, heard[2].error]
    assert [len(text or "") for text in told] == [2001] * 4, "and a mark that it was cut"
