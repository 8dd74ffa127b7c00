"""The verbs that compare runs: a part of their service."""

from builtins import list as list_of
from shlex import quote
from typing import Protocol

from mlops_desk.base.errors import Hint, NotFound
from mlops_desk.base.text import plain
from mlops_desk.records.registry.comparison import CodeDifference, ComparedValue
from mlops_desk.records.registry.curve import RunCurve
from mlops_desk.records.registry.run_window import Importance
from mlops_desk.registry.access import RegistryAccess
from mlops_desk.registry.comparing.code import difference
from mlops_desk.registry.comparing.curves import check_points, thinned
from mlops_desk.registry.comparing.gathering import ComparedOutside, compared_runs, named_runs, tags_of
from mlops_desk.registry.comparing.importance import MOST_RUNS, checked_metric, importance_of
from mlops_desk.registry.comparing.origin import origin_of, problem_of
from mlops_desk.registry.mirror.column import split_experiments
from mlops_desk.registry.mirror.protocol import MirrorClient, WindowAsked
from mlops_desk.registry.mlflow.decimation import FEWEST_POINTS

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
