"""The verbs about runs: lists in MLflow's order, one run, how its metrics went, and what it has left."""

import difflib
from builtins import list as list_of
from collections.abc import Iterable
from shlex import quote

from mlops_desk.kit.base.errors import Hint, Invalid, NotFound
from mlops_desk.kit.base.text import plain
from mlops_desk.kit.records.list_page import ListPage
from mlops_desk.kit.verbs.declaration import MOST_ON_A_PAGE, check_limit
from mlops_desk.registry.artifacts.artifact_worker import RunFileVerbs
from mlops_desk.registry.changes import RunChangeVerbs
from mlops_desk.registry.comparison.run_verbs import RunCompareVerbs
from mlops_desk.registry.mirror.column import sort_word, split_experiments, split_names
from mlops_desk.registry.mirror.protocol import WindowAsked
from mlops_desk.registry.mlflow.decimation import FEWEST_POINTS
from mlops_desk.registry.mlflow.order import parse_sorts
from mlops_desk.registry.mlflow.pagination import RunsAsked, checked_status, cursor_after, token_of
from mlops_desk.registry.records.model import (
    BRIEF_METRICS,
    DatasetInput,
    Experiment,
    Run,
    RunBrief,
    RunMetrics,
    run_brief,
)
from mlops_desk.registry.records.run_window import RunColumn, RunGroup, RunWindow
from mlops_desk.registry.service import RegistryCore

_MOST_POINTS = 5000  # chosen: more than any screen is wide
_LONGEST_LIST = 50_000  # MLflow's own limit for one search of runs
_SYSTEM = "system/"  # begins the names of what MLflow measures of the machine


class RunsService(RunChangeVerbs, RunCompareVerbs, RunFileVerbs):
    """The verbs of verbs.Runs."""

    _core: RegistryCore

    def __init__(self, core: RegistryCore) -> None:
        self._core = core

    def list(
        self,
        experiment: str = "",
        uri: str | None = None,
        sort: str | None = None,
        limit: int = 100,
        filter: str | None = None,  # noqa: A002 - the word of the command line
        offset: int = 0,
    ) -> list_of[Run]:
        self._core.asked()
        with self._core.default.chosen(uri) as chosen:
            if experiment and filter is None and offset == 0:
                return self._core.registries.read(chosen).runs(experiment, sort, limit)
            keys = tuple(map(sort_word, parse_sorts(sort)))
            among = (experiment,) if experiment else ()
            check_limit(limit, _LONGEST_LIST)
            asked = WindowAsked(among, filter or "", keys, (), check_offset(offset), limit)
            return self._core.registries.mirror(chosen).runs(asked, strict=True)

    def window(
        self,
        experiment: str = "",
        uri: str | None = None,
        filter: str = "",  # noqa: A002 - the word of the command line
        sort: str = "",
        columns: str = "",
        offset: int = 0,
        limit: int = 100,
        nested: bool = False,
    ) -> RunWindow:
        self._core.asked()
        asked = WindowAsked(
            tuple(split_experiments(experiment)),
            filter,
            tuple(split_names(sort)),
            tuple(split_names(columns)),
            check_offset(offset),
            check_limit(limit, MOST_ON_A_PAGE),
            nested,
        )
        with self._core.default.chosen(uri) as chosen:
            return self._core.registries.mirror(chosen).window(asked)

    def columns(self, experiment: str = "", uri: str | None = None, filter: str = "") -> list_of[RunColumn]:  # noqa: A002 - the word of the command line
        with self._core.default.chosen(uri) as chosen:
            return self._core.registries.mirror(chosen).columns(split_experiments(experiment), filter)

    def groups(
        self,
        by: str,
        experiment: str = "",
        uri: str | None = None,
        filter: str = "",  # noqa: A002 - the word of the command line
        metrics: str = "",
    ) -> list_of[RunGroup]:
        names = split_names(by)
        if not names:
            raise Invalid("What to group by is missing.", "Name it: --by params.lr")
        with self._core.default.chosen(uri) as chosen:
            mirror = self._core.registries.mirror(chosen)
            return mirror.groups(split_experiments(experiment), filter, names, split_names(metrics))

    def page(
        self,
        experiment: str,
        uri: str | None = None,
        status: str | None = None,
        since: float | None = None,
        sort: str | None = None,
        limit: int = 100,
        cursor: str | None = None,
    ) -> ListPage[RunBrief]:
        self._core.asked()
        since_ms = None if since is None else round(since * 1000)
        asked = RunsAsked(experiment, checked_status(status), since_ms, sort, check_limit(limit, MOST_ON_A_PAGE), None)
        keys = parse_sorts(sort or None)
        asked = asked._replace(token=token_of(asked, cursor))
        with self._core.default.chosen(uri) as chosen:
            found = self._core.registries.read(chosen).runs_page(asked)
        first = next((key.name for key in keys[:1] if key.kind == "metrics"), None)
        return ListPage(tuple(run_brief(run, first) for run in found.runs), cursor_after(asked, found.token))

    def experiments(self, uri: str | None = None) -> list_of[Experiment]:
        with self._core.default.chosen(uri) as chosen:
            if chosen is None and self._core.registries.own_is_empty:
                return []
            return self._core.registries.read(chosen).experiments()

    def show(self, run_id: str, uri: str | None = None) -> Run:
        with self._core.default.chosen(uri) as chosen:
            return self._core.registries.read(chosen).run(run_id)

    def metrics(self, run_id: str, key: str | None = None, uri: str | None = None, points: int = 500) -> RunMetrics:
        if not FEWEST_POINTS <= points <= _MOST_POINTS:
            raise Invalid(f"The points must lie between {FEWEST_POINTS} and {_MOST_POINTS:,}, not {points}.")
        with self._core.default.chosen(uri) as chosen:
            registry = self._core.registries.read(chosen)
            known = registry.run(run_id).metrics
            if key is not None and key not in known:
                hint = _near(key, known) or Hint(f"mlops-desk runs show {quote(plain(run_id))}", after=" lists them.")
                raise NotFound(f"Run {plain(run_id)} has logged no metric {plain(key)!r}.", hint)
            names = _first_metrics(known) if key is None else [key]
            return RunMetrics(run_id, len(known), tuple(registry.metric_curves(run_id, names, points)))

    def datasets(self, run_id: str, uri: str | None = None) -> list_of[DatasetInput]:
        with self._core.default.chosen(uri) as chosen:
            return self._core.registries.read(chosen).datasets(run_id)


def check_offset(offset: int) -> int:
    """Return an offset that is none below zero. Raises Invalid."""
    if offset < 0:
        raise Invalid(f"The offset must be at least 0, not {offset}.")
    return offset


def _near(key: str, known: Iterable[str]) -> str | None:
    close = difflib.get_close_matches(key, list(known), 1)
    return f"Did you mean {plain(close[0])}?" if close else None


def _first_metrics(known: Iterable[str]) -> list_of[str]:
    """Return the metrics that are told when none is named: by name, those of the system behind all others."""
    return sorted(known, key=lambda name: (name.startswith(_SYSTEM), name))[:BRIEF_METRICS]
