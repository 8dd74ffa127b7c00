"""Previews clean-ups and carries them out: only what was shown goes, and only if it is still as it was shown.

Runs are deleted as MLflow deletes them, so that they can be brought back until they are purged. Versions MLflow deletes
at once, without their files.
"""

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from threading import Event
from typing import TypeVar

from mlops_desk.kit.base.errors import DeskError, Hint, Refused, Unavailable
from mlops_desk.kit.base.process import run_worker
from mlops_desk.kit.base.text import plain
from mlops_desk.registry.changes import MOST_RUNS, undo
from mlops_desk.registry.cleanup.plan import CleanUpRule, Planned, RegistryUsers, plan_runs, plan_versions, token_of
from mlops_desk.registry.mlflow.pagination import RunsAsked
from mlops_desk.registry.protocol import RegistryClient
from mlops_desk.registry.readers.source import RegistrySource
from mlops_desk.registry.records.clean_up import CleanUpDone, CleanUpItem, CleanUpPreview
from mlops_desk.registry.records.model import Run
from mlops_desk.registry.records.tracker import TrackerKind

T = TypeVar("T")

_SIZES = "mlops_desk.registry.cleanup.sizes"
_SIZES_SECONDS = 20.0  # chosen: more than the worker gives itself
_PAGE = 10_000  # chosen: 50 MB of runs at a time
_AT_ONCE = 20  # chosen: below a second of a store; on a busy machine ten times that is within the deadline
_STOPPED = "The agent was ended before its turn came."
_PREVIEWS = 50  # chosen: more than anybody looks at before deciding
_AGAIN = Hint("mlops-desk registry clean-up", before="Look again, and decide anew: ")


@dataclass(frozen=True, slots=True)
class CleanedPlace:
    """A registry that is cleaned up: how it is asked, and where its store lies."""

    uri: str | None
    client: RegistryClient
    source: RegistrySource


@dataclass(frozen=True, slots=True)
class _Gone:
    """What became of one thing: ``problem`` None where it is gone; ``may_be_gone`` where nobody knows, too."""

    item: CleanUpItem
    problem: str | None
    may_be_gone: bool = False


class CleanUp:
    """``users`` tells what the desk needs of a registry. Safe to use from several threads."""

    def __init__(self, users: Callable[[str | None], RegistryUsers], ending: Event) -> None:
        self._users = users
        self._ending = ending
        self._previews: OrderedDict[str, CleanUpRule] = OrderedDict()
        self._lock = threading.Lock()

    def preview(self, rule: CleanUpRule, place: CleanedPlace) -> CleanUpPreview:
        """Show what would go, with its sizes, and what stays. Raises DeskErrors."""
        rule.check()
        planned = self._plan(rule, place)
        token = token_of(rule, place.uri, planned.going)
        with self._lock:
            self._previews[token] = rule
            self._previews.move_to_end(token)
            while len(self._previews) > _PREVIEWS:
                self._previews.popitem(last=False)
        going = self._measured(planned.going, place.source)
        known = [item.size_bytes for item in going if item.size_bytes is not None]
        unknown = len(going) - len(known)
        return CleanUpPreview(token, going, planned.kept, sum(known) if known or not going else None, unknown)

    def carry_out(self, token: str, place: CleanedPlace) -> CleanUpDone:
        """Delete what a preview showed. Raises Refused where it is not what would go now."""
        with self._lock:
            rule = self._previews.get(token)
        if rule is None:
            raise Refused(f"No preview is known by {plain(token, 40)!r}; the agent may have been restarted.", _AGAIN)
        planned = self._plan(rule, place)
        if token_of(rule, place.uri, planned.going) != token:
            raise Refused("What would go now is not what was shown: something changed meanwhile. Nothing went.", _AGAIN)
        with self._lock:
            self._previews.pop(token, None)
        gone = self._deleted(planned.going, place.client)
        runs = [one.item.name for one in gone if one.item.kind == "run" and one.may_be_gone]
        done = [one.item for one in gone if one.problem is None]
        failed = tuple(replace(one.item, kept_by=one.problem) for one in gone if one.problem is not None)
        back = tuple(undo("runs.restore", {"run_ids": some}, place.uri).command for some in _parts(runs, MOST_RUNS))
        n_runs = sum(item.kind == "run" for item in done)
        return CleanUpDone(n_runs, len(done) - n_runs, " ".join(runs) or None, failed, back)

    def _deleted(self, going: Sequence[CleanUpItem], client: RegistryClient) -> list[_Gone]:
        """Delete one part after the other; what is not begun at the agent's end stays, and says so."""
        runs, versions = (tuple(item for item in going if item.kind == kind) for kind in ("run", "version"))
        gone: list[_Gone] = []
        for part in [*_parts(runs, _AT_ONCE), *_parts(versions, 1)]:
            if self._ending.is_set():
                gone += [_Gone(item, _STOPPED) for item in part]
            else:
                gone += _deleted_runs(part, client) if part[0].kind == "run" else [_deleted_version(part[0], client)]
        return gone

    def _plan(self, rule: CleanUpRule, place: CleanedPlace) -> Planned:
        users = self._users(place.uri)
        models = place.client.models()
        going: list[CleanUpItem] = []
        kept: list[CleanUpItem] = []
        if rule.experiment is not None:
            runs = all_runs(place.client, rule.experiment)
            made_of = [version for model in models for version in place.client.versions(model.name)]
            planned = plan_runs(rule, runs, made_of, users)
            going += planned.going
            kept += planned.kept
        if rule.model is not None:
            names = [place.client.model(rule.model).name] if rule.model else [model.name for model in models]
            versions = [version for name in names for version in place.client.versions(name)]
            planned = plan_versions(rule, models, versions, users)
            going += planned.going
            kept += planned.kept
        return Planned(tuple(going), tuple(kept))

    def _measured(self, going: Sequence[CleanUpItem], source: RegistrySource) -> tuple[CleanUpItem, ...]:
        """Return the items with what a purge frees: of a version nothing, whose files stay with its run."""
        runs = [item.name for item in going if item.kind == "run"]
        sizes: dict[str, int | None] = {}
        if runs and source.path is not None and source.kind in {TrackerKind.OWN, TrackerKind.SQLITE}:
            request = {"path": str(source.path), "is_ours": source.kind is TrackerKind.OWN, "run_ids": runs}
            try:
                sizes = run_worker(_SIZES, request, _SIZES_SECONDS, ending=self._ending)
            except DeskError:
                sizes = {}  # told as unknown sizes
        return tuple(replace(item, size_bytes=sizes.get(item.name) if item.kind == "run" else 0) for item in going)


def all_runs(client: RegistryClient, experiment: str) -> list[Run]:
    """List all runs of an experiment, however many; what begins meanwhile comes last, and moves no other."""
    found: dict[str, Run] = {}
    token: str | None = None
    while True:
        page = client.runs_page(RunsAsked(experiment, None, None, "start_time:asc", _PAGE, token))
        found |= {run.run_id: run for run in page.runs}
        if page.token is None or page.token == token:
            return list(found.values())[::-1]
        token = page.token


def _parts(whole: Sequence[T], size: int) -> Iterator[tuple[T, ...]]:
    for first in range(0, len(whole), size):
        yield tuple(whole[first : first + size])


def _deleted_runs(items: Sequence[CleanUpItem], client: RegistryClient) -> list[_Gone]:
    try:
        stages = client.delete_runs([item.name for item in items])
    except DeskError as error:  # whether some of them went nobody has told: bringing back what stays changes nothing
        return [_Gone(item, error.message, may_be_gone=isinstance(error, Unavailable)) for item in items]
    return [_Gone(item, one.problem, one.problem is None) for item, one in zip(items, stages, strict=True)]


def _deleted_version(item: CleanUpItem, client: RegistryClient) -> _Gone:
    name, _, version = item.name.rpartition("/")
    try:
        client.delete_model(name, version)
    except DeskError as error:
        return _Gone(item, error.message)
    return _Gone(item, None, may_be_gone=True)
