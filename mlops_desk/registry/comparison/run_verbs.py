"""The verbs that compare runs: a part of their service."""

import math
import shlex
from builtins import list as list_of
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from shlex import quote
from typing import Protocol

from mlops_desk.kit.base import wire
from mlops_desk.kit.base.errors import Hint, Invalid, NotFound
from mlops_desk.kit.base.process import run_worker
from mlops_desk.kit.base.text import plain
from mlops_desk.registry.changes import RegistryAccess
from mlops_desk.registry.comparison.code import difference
from mlops_desk.registry.comparison.fact_sources import ComparedOutside, compared_runs, named_runs, tags_of
from mlops_desk.registry.comparison.parameters import table_of
from mlops_desk.registry.mirror.column import split_experiments
from mlops_desk.registry.mirror.protocol import MirrorClient, WindowAsked
from mlops_desk.registry.mlflow.decimation import FEWEST_POINTS, kept
from mlops_desk.registry.records.comparison import CodeDifference, ComparedValue
from mlops_desk.registry.records.curve import RunCurve
from mlops_desk.registry.records.model import Run
from mlops_desk.registry.records.run_window import Importance

# Which parameters of a sweep matter for a metric: gathers the runs, and hands the numbers to a worker.
_WORKER = "mlops_desk.registry.comparison.importance_worker"
_SECONDS = 60.0  # chosen: scikit-learn loads in two, and a forest on 5,000 runs takes ten on a slow core
MOST_RUNS = 5000  # chosen: more runs don't change the order, and cost seconds
_ENVIRONMENT = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}  # a core is enough, and the others are people's


def importance_of(runs: Sequence[Run], metric: str) -> list[Importance]:
    """Return the parameters, the most important first. Raises NotFound where no run has the metric."""
    table = table_of(runs, metric)
    if not table.targets:
        if not runs:
            raise NotFound("No run passes the filter.", "Name another experiment or filter.")
        known = sorted({name for run in runs for name in run.metrics})
        hint = f"They have {', '.join(map(plain, known[:5]))}." if known else "They have logged no metric."
        raise NotFound(f"None of {len(runs):,} runs has a finite value of {plain(metric)}.", hint)
    if not table.params:
        return []
    answer = run_worker(_WORKER, wire.to_builtins(table), _SECONDS, _ENVIRONMENT)
    found = wire.from_builtins(answer, list[Importance])
    return sorted(found, key=lambda one: (one.importance is None, -(one.importance or 0.0), one.name))


def checked_metric(metric: str) -> str:
    """Return a metric's name, with or without ``metrics.`` before it. Raises Invalid."""
    name = metric.strip().removeprefix("metrics.")
    if not name:
        raise Invalid("The metric is missing.", "Name one: --metric auc")
    return name


# A curve in few points that still has its extremes. Pure.
LEAST_POINTS = 2  # the least and the largest
MOST_POINTS = 25_000  # what MLflow gives of one curve at a time


def check_points(points: int) -> int:
    """Return how many points are wanted. Raises Invalid for so few that an extreme would be missing."""
    if not LEAST_POINTS <= points <= MOST_POINTS:
        raise Invalid(f"The points must lie between {LEAST_POINTS} and {MOST_POINTS:,}, not {points}.")
    return points


def places(values: Sequence[float], most: int) -> list[int]:
    """Return the places of at most ``most`` values, the least and the largest among them."""
    if most >= FEWEST_POINTS or len(values) <= most:
        return kept(values, most) if len(values) > most else list(range(len(values)))
    finite = [place for place, value in enumerate(values) if math.isfinite(value)]
    extremes = [min(finite, key=values.__getitem__), max(finite, key=values.__getitem__)] if finite else []
    broken = next((place for place, value in enumerate(values) if not math.isfinite(value)), 0)
    return sorted(list(dict.fromkeys([*extremes, len(values) - 1, broken, 0]))[:most])


def thinned(curve: RunCurve, points: int) -> RunCurve:
    """Return a curve with at most so many of its points."""
    shown = places(curve.values, points)
    return RunCurve(
        curve.run_id,
        curve.metric,
        curve.n_points,
        tuple(curve.steps[place] for place in shown),
        tuple(curve.timestamps[place] for place in shown),
        tuple(curve.values[place] for place in shown),
        curve.mark,
    )


# Which code a run ran, as far as its tags tell, and what is said of two of which the code is not kept. Pure.
_SHORT_COMMIT = 12  # as long as git needs in the largest repositories


@dataclass(frozen=True, slots=True)
class CodeOrigin:
    """The commit that a run began from, and whether it had changes besides (None: nobody says)."""

    commit: str | None = None
    repository: str | None = None
    is_dirty: bool | None = None


def origin_of(tags: Mapping[str, str]) -> CodeOrigin:
    dirty = tags.get("mlops_desk.git_dirty", tags.get("mlflow.source.git.dirty", "")).lower()
    return CodeOrigin(
        tags.get("mlflow.source.git.commit") or None,
        tags.get("mlflow.source.git.repoURL") or tags.get("mlflow.gitRepoURL") or None,
        {"true": True, "false": False}.get(dirty),
    )


def problem_of(a: CodeOrigin, b: CodeOrigin) -> str:
    """Say what is known of the code of two runs, and what would tell more."""
    if a.commit is None or b.commit is None:
        which = "Neither run" if a.commit is None and b.commit is None else "Only one of the runs"
        return (
            f"{which} tells which code it ran. Runs of jobs that have a source keep it, and MLflow keeps the commit "
            "of a program that lies in a git repository."
        )
    changes = _changes(a, b)
    if a.commit == b.commit:
        return f"Both began at commit {_short(a.commit)}{changes}. The code itself is not kept here."
    where = f" of {plain(a.repository)}" if a.repository else ""
    command = shlex.join(["git", "diff", a.commit, b.commit])
    return f"The code itself is not kept here: the runs began at different commits{where}{changes}. {command} tells."


def _changes(a: CodeOrigin, b: CodeOrigin) -> str:
    if a.is_dirty or b.is_dirty:
        return ", at least one of them with changes that no commit holds"
    if a.is_dirty is None or b.is_dirty is None:
        return "; whether they had changes that no commit holds is not known"
    return ""


def _short(commit: str) -> str:
    return plain(commit)[:_SHORT_COMMIT]


MOST_COMPARED = 100  # what the window lets one choose
MOST_OVERLAID = 1000  # what its chart draws without a gap


class ComparedAccess(RegistryAccess, Protocol):
    outside: ComparedOutside


class RunCompareVerbs:
    """A part of the service of runs."""

    _core: ComparedAccess

    def compare(self, run_ids: list_of[str], uri: str | None = None) -> list_of[ComparedValue]:
        named = named_runs(run_ids, 2, MOST_COMPARED)
        with self._core.default.chosen(uri) as chosen:
            return compared_runs(self._core.registries.mirror(chosen), named, chosen, self._core.outside)

    def code(self, a: str, b: str, uri: str | None = None) -> CodeDifference:
        with self._core.default.chosen(uri) as chosen:
            mirror = self._core.registries.mirror(chosen)
            tags = tags_of(mirror, a), tags_of(mirror, b)
        trees = self._core.outside.code_of(a), self._core.outside.code_of(b)
        if trees[0] is None or trees[1] is None:
            return CodeDifference(a, b, problem=problem_of(*map(origin_of, tags)))
        found = difference(trees[0], trees[1])
        return CodeDifference(a, b, found.text, found.is_cut)

    def curves(self, run_id: str, metric: str, uri: str | None = None, points: int = 2500) -> RunCurve:
        wanted, name = check_points(points), checked_metric(metric)
        with self._core.default.chosen(uri) as chosen:
            mirror = self._core.registries.mirror(chosen)
            (curve,) = mirror.curves([run_id], name, max(wanted, FEWEST_POINTS))
            if not curve.n_points:
                _check_logged(mirror, run_id, name)
        return thinned(curve, wanted)

    def overlay(
        self, run_ids: str, metric: str, uri: str | None = None, points: int = 1000, since: str = ""
    ) -> list_of[RunCurve]:
        named = named_runs(run_ids.split(","), 1, MOST_OVERLAID)
        wanted, name = check_points(points), checked_metric(metric)
        with self._core.default.chosen(uri) as chosen:
            mirror = self._core.registries.mirror(chosen)
            found = mirror.curves(named, name, max(wanted, FEWEST_POINTS), since or None)
        return [thinned(curve, wanted) for curve in found]

    def importance(
        self,
        experiment: str,
        metric: str,
        uri: str | None = None,
        filter: str = "",  # noqa: A002 - the word of the command line
    ) -> list_of[Importance]:
        name = checked_metric(metric)
        with self._core.default.chosen(uri) as chosen:
            mirror = self._core.registries.mirror(chosen)
            asked = WindowAsked(tuple(split_experiments(experiment)), filter, limit=MOST_RUNS)
            runs = mirror.runs(asked)
        return importance_of(runs, name)


def _check_logged(mirror: MirrorClient, run_id: str, metric: str) -> None:
    """Refuse a metric that a run has not logged. Raises NotFound."""
    known = sorted(mirror.runs_of([run_id])[0].metrics)
    if metric not in known:
        hint = Hint(f"mlops-desk runs show {quote(plain(run_id))}", after=" lists them.")
        raise NotFound(f"Run {plain(run_id)} has logged no metric {plain(metric)!r}.", hint)
