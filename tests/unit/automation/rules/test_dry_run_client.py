"""A dry run is judged in a worker as it would be here, told how far it is, and ended when somebody wants it."""

from contextlib import contextmanager

import pytest

from mlops_desk.automation.rules import dry_run_client
from mlops_desk.automation.rules.document_verbs import RuleDocuments
from mlops_desk.automation.rules.dry_run_client import PlainTrial, PlainWork, WorkerTrial
from mlops_desk.kit.base.errors import Refused, TimedOut, Unavailable
from tests.rule_specs import METRICS
from tests.unit.automation.rules.test_document_verbs import BEGIN, DAY, HOT, Past


class Work(PlainWork):
    """Remembers what was told, and is stopped once a word is said."""

    def __init__(self, until=None):
        super().__init__()
        self.said, self.until = [], until

    def tell(self, text, done=None, total=None):
        self.said.append((text, done, total))
        if text == self.until:
            self.stopping.set()
        super().tell(text, done, total)

    def over(self):
        return Refused("The dry run was stopped.")


def worker_trial(work):
    @contextmanager
    def begin(what, ticket):
        assert (what, ticket) == ("The dry run", "t1")
        yield work

    return WorkerTrial(begin)


def at(thing, when):
    """Return what goes up and down, with a hole of six hours a day."""
    hour = (when - BEGIN) // 3600.0 % 24.0
    return None if 2.0 <= hour < 8.0 else 85.0 if thing == "a" and hour in {10.0, 20.0} else 60.0


def test_a_worker_finds_what_is_found_here_and_says_how_far_it_is() -> None:
    text, work = f"{HOT}cooldown: 12h\n", Work()
    here = RuleDocuments(METRICS, Past(at), PlainTrial()).dry_run(text, BEGIN, BEGIN + 5 * DAY)
    there = RuleDocuments(METRICS, Past(at), worker_trial(work)).dry_run(text, BEGIN, BEGIN + 5 * DAY, "t1")
    assert there == here
    assert here.n_fired == 5
    assert [one for one in work.said if one[0] == "Reading the history."] == [
        ("Reading the history.", 0, 2), ("Reading the history.", 1, 2),
    ]  # fmt: skip
    shares = [done for text, done, total in work.said if text == "Judging." and total == 100]
    assert shares == sorted(shares)


@pytest.mark.parametrize("until", ["Reading the history.", "Judging."])
def test_a_dry_run_that_is_stopped_says_so_whatever_it_does(until, monkeypatch) -> None:
    work = Work(until)
    if until == "Judging.":
        monkeypatch.setattr(dry_run_client, "run_watched", lambda _module, _given, hear, _seconds: _heard(hear))
    with pytest.raises(Refused, match="was stopped"):
        RuleDocuments(METRICS, Past(at), worker_trial(work)).dry_run(HOT, BEGIN, BEGIN + DAY, "t1")


def _heard(hear):
    """Be a worker that says how far it is once, and is ended when nobody wants more."""
    if not hear("7"):
        raise Unavailable("It was ended.")
    raise AssertionError("it went on")


def test_a_dry_run_that_is_stopped_between_two_words_ends_its_worker(monkeypatch) -> None:
    work = Work()

    def stopped(_module, _given, hear, _seconds):
        assert hear("")
        work.stopping.set()
        assert not hear("")
        raise Unavailable("It was ended.")

    monkeypatch.setattr(dry_run_client, "run_watched", stopped)
    with pytest.raises(Refused, match="was stopped"):
        RuleDocuments(METRICS, Past(at), worker_trial(work)).dry_run(HOT, BEGIN, BEGIN + DAY, "t1")


def test_a_worker_that_takes_too_long_is_ended_and_what_helps_is_said(monkeypatch) -> None:
    monkeypatch.setattr(dry_run_client, "_SECONDS", -1.0)

    def late(_module, _given, hear, _seconds):
        assert not hear("")
        raise Unavailable("It was ended.")

    monkeypatch.setattr(dry_run_client, "run_watched", late)
    with pytest.raises(TimedOut) as told:
        RuleDocuments(METRICS, Past(at), worker_trial(Work())).dry_run(HOT, BEGIN, BEGIN + DAY, "t1")
    assert "shorter span" in told.value.hint


def test_a_worker_that_dies_is_not_taken_for_a_rule_that_never_fires(monkeypatch) -> None:
    def dead(*_given):
        raise Unavailable("The worker ended with code -9 and without an answer.")

    monkeypatch.setattr(dry_run_client, "run_watched", dead)
    with pytest.raises(Unavailable, match="code -9"):
        RuleDocuments(METRICS, Past(at), worker_trial(Work())).dry_run(HOT, BEGIN, BEGIN + DAY, "t1")
