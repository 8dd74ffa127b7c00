"""Which repositories rules watch, put together of rules, what was seen for them, firings and runs."""

from collections.abc import Callable, Iterator

from mlops_desk.automation.records.ci.repository_watch import SeenRef, WatchedRepository
from mlops_desk.automation.records.ci.run import CiRun
from mlops_desk.automation.records.conditions import PushClause, leaves
from mlops_desk.automation.records.firing import KeptFiring, PushedRef
from mlops_desk.automation.records.rule_record import RuleSight
from mlops_desk.automation.rules.live.pushes import NONE, fits
from mlops_desk.automation.rules.storage.rule_repository import ReadRule, RuleShelf
from mlops_desk.kit.storage.records import StoredRecords

_FIRINGS = 50  # chosen: a rule that waits for a push as one of several things may fire for others in between
_REFS = 20  # chosen: a screen of branches that fit one pattern


def watched_repositories(
    shelf: RuleShelf, runs: StoredRecords[CiRun], trouble: Callable[[str], str | None]
) -> list[WatchedRepository]:
    """Return all that rules watch, by repository and ref; ``trouble`` tells why a rule's can't be looked at."""
    found = [one for read in shelf.all() for one in _of_rule(read, shelf, runs, trouble)]
    return sorted(found, key=lambda one: (one.repository, one.ref, one.rule))


def _of_rule(
    read: ReadRule, shelf: RuleShelf, runs: StoredRecords[CiRun], trouble: Callable[[str], str | None]
) -> Iterator[WatchedRepository]:
    for place, leaf in enumerate(() if read.spec is None else leaves(read.spec.when)):
        if not isinstance(leaf, PushClause):
            continue
        written = read.written
        sight = shelf.tables.sights.get(RuleSight(written.id, place, "", 0.0).key)
        fired = _fired_for(leaf, shelf.tables.firings.list(parent=written.id, limit=_FIRINGS))
        newest = next(iter(runs.list(parent=leaf.repository, limit=1)), None)
        yield WatchedRepository(
            leaf.repository, leaf.ref, written.name, written.is_paused,
            () if sight is None else _refs(sight.seen, leaf.ref), None if sight is None else sight.at,
            () if fired is None else _pushed(fired, leaf), None if fired is None else fired.at,
            None if newest is None else newest.id, None if written.is_paused else trouble(written.name),
        )  # fmt: skip


def _fired_for(leaf: PushClause, firings: list[KeptFiring]) -> KeptFiring | None:
    """Return the newest firing for a push that the part waits for: another may wait for others of the repository."""
    return next((one for one in firings if any(_is_for(push, leaf) for push in one.pushed)), None)


def _is_for(push: PushedRef, leaf: PushClause) -> bool:
    return push.repository == leaf.repository and fits(push.ref, leaf.ref)


def _pushed(firing: KeptFiring, leaf: PushClause) -> tuple[SeenRef, ...]:
    mine = [one for one in firing.pushed if _is_for(one, leaf)]
    return tuple(SeenRef(one.ref, one.commit) for one in mine[:_REFS])


def _refs(seen: str, ref: str) -> tuple[SeenRef, ...]:
    """Return refs as they were kept; earlier agents have kept the commit alone."""
    lines = [line for line in seen.splitlines() if line and line != NONE]
    parts = [line.rpartition(" ") for line in lines[:_REFS]]
    return tuple(SeenRef(name or ref, commit) for name, _, commit in parts)
