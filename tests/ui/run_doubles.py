"""Runs of the scripted agent: a sweep with its curves, runs that go on, nested ones, and names that mean no good.

Filter, order and columns are the shipped double's own, so that what is typed is judged as by the real agent.
"""

# ruff: noqa: A002 - the verbs have an argument of that name
from __future__ import annotations

import builtins
import math
import time
from copy import copy
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING, Any

from service_double import Service

from mlops_desk.kit.base.errors import DeskError, NotFound
from mlops_desk.machine.records import event as events
from mlops_desk.registry.fake import FakeRegistry
from mlops_desk.registry.mirror.column import split_experiments, split_names
from mlops_desk.registry.mirror.plain import PlainMirror
from mlops_desk.registry.mirror.protocol import WindowAsked
from mlops_desk.registry.records.artifact_view import ArtifactView, Downloaded
from mlops_desk.registry.records.comparison import CodeDifference, ComparedGroup, ComparedValue
from mlops_desk.registry.records.labels import Labels, RunStage
from mlops_desk.registry.records.model import Artifact, DatasetInput, Experiment, MetricCurve, Run, RunMetrics
from mlops_desk.registry.records.run_window import Importance, RunColumn, RunGroup, RunWindow
from mlops_desk.registry.records.undo import Undo

if TYPE_CHECKING:
    from mlops_desk.registry.records.curve import RunCurve
    from mlops_desk.registry.records.model import Registry

NOW = time.time()
STEPS = 150


def some_runs() -> FakeRegistry:
    """Return a registry with a sweep of sixty runs, and some others."""
    made, usual = FakeRegistry(), vars(_usual_runs())
    vars(made).update({name: copy(value) for name, value in usual.items() if isinstance(value, (dict, set))})
    made._logged = {curve: [*values] for curve, values in made._logged.items()}
    return made


@cache
def _usual_runs() -> FakeRegistry:
    """Return what each double begins with a copy of: to reckon its curves takes 10 ms, and a double is made for each test."""
    registry = FakeRegistry()
    for number in range(60):
        lr, depth, model = 10 ** -(1 + (number * 7 % 30) / 10), 2 + number % 6, ("cnn", "mlp", "vit")[number % 3]
        goal = 0.97 - 0.04 * abs(math.log10(lr) + 2.4) - 0.01 * abs(depth - 5) - 0.004 * (number % 4)
        add(registry, "digits-sweep", f"sweep-{number:02d}", f"{number:032x}", goal, NOW - 90_000 + 700 * number,
            {"lr": f"{lr:.4g}", "depth": str(depth), "model": model, "seed": "1"},
            {"team": "vision"} if number else {"team": "vision", "mlflow.note.content": "The first of the sweep."},
            status="FAILED" if number == 17 else "KILLED" if number == 23 else "FINISHED")  # fmt: skip
    for number in range(3):
        add(registry, "digits-sweep", f"live-{number}", f"a{number:031x}", 0.93 + number / 100, NOW - 900,
            {"lr": "0.004", "depth": "5", "model": "vit", "seed": str(number)}, {"team": "vision"}, status="RUNNING")  # fmt: skip
    add(registry, "churn", "parent", "b" * 32, 0.81, NOW - 3000, {"folds": "3"}, {})
    for fold in range(3):
        add(registry, "churn", f"fold-{fold}", f"{fold}" + "c" * 31, 0.8 + fold / 100, NOW - 2900 + fold,
            {"fold": str(fold)}, {"mlflow.parentRunId": "b" * 32})  # fmt: skip
    odd = Run("d" * 32, "<b>bold</b>\u202eevil\x00 " * 20, "FINISHED", 0,
              {"auc": math.nan, "loss": math.inf, 'acc=1, "x":y': 0.5}, {"lr": "", "note": "x" * 100_000},
              {"<img src=x>": "</td>"}, end_time=int(NOW * 1000))  # fmt: skip
    registry.add_run("odd, names", odd)
    registry._logged["d" * 32, "auc"] = [0.5, math.nan, math.inf, 0.7]
    return registry


def add(registry: FakeRegistry, experiment: str, name: str, run_id: str, goal: float, at: float,
        params: dict[str, str], tags: dict[str, str], status: str = "FINISHED") -> None:  # fmt: skip
    """Record a run that came near ``goal``, with its curves."""
    steps = STEPS if status != "RUNNING" else 60
    wave = sum(map(ord, name)) % 7
    auc = [goal - 0.4 * math.exp(-step / 30) + 0.012 * math.sin(step * 1.7 + wave) for step in range(steps)]
    loss = [
        0.1 + (1 - goal) * 2 + 1.6 * math.exp(-step / 25) + 0.05 * math.sin(step * 2.1 + wave) for step in range(steps)
    ]
    ended = None if status == "RUNNING" else int((at + 1800 + 40 * wave) * 1000)
    tags = {"mlflow.user": "ana", "mlflow.source.name": "train.py", **tags}
    run = Run(run_id, name, status, int(at * 1000), {"auc": auc[-1], "loss": loss[-1]}, params, tags, end_time=ended)
    registry.add_run(experiment, run)
    registry._logged[run_id, "auc"], registry._logged[run_id, "loss"] = auc, loss


class RunVerbs(Service):
    """The verbs on runs, from ``double.run_registry``; by the names "jobs" of a made-up job's run there is always one."""

    @property
    def _mirror(self) -> PlainMirror:
        return PlainMirror(self._double.run_registry)

    def list(self, experiment: str = "", uri: str | None = None, sort: str | None = None, limit: int = 100,
             filter: str | None = None, offset: int = 0) -> builtins.list[Run]:  # fmt: skip
        return self._double.run_registry.runs(experiment, sort, limit)

    def window(self, experiment: str = "", uri: str | None = None, filter: str = "", sort: str = "",
               columns: str = "", offset: int = 0, limit: int = 100, nested: bool = False) -> RunWindow:  # fmt: skip
        asked = WindowAsked(tuple(split_experiments(experiment)), filter, tuple(split_names(sort)),
                            tuple(split_names(columns)), offset, limit, nested)  # fmt: skip
        self._double.asked_windows.append((uri, asked))
        answer = self._double.answer_window
        return self._mirror.window(asked) if answer is None else answer(asked)

    def columns(self, experiment: str = "", uri: str | None = None, filter: str = "") -> builtins.list[RunColumn]:
        return self._mirror.columns(split_experiments(experiment), filter)

    def groups(self, by: str, experiment: str = "", uri: str | None = None, filter: str = "",
               metrics: str = "") -> builtins.list[RunGroup]:  # fmt: skip
        return self._mirror.groups(split_experiments(experiment), filter, split_names(by), split_names(metrics))

    def experiments(self, uri: str | None = None) -> builtins.list[Experiment]:
        return [one for one in self._double.run_registry.experiments() if one.name != "Default"]

    def show(self, run_id: str, uri: str | None = None) -> Run:
        try:
            return self._double.run_registry.run(run_id)
        except NotFound:
            return self._double.job_run(run_id)

    def metrics(self, run_id: str, key: str | None = None, uri: str | None = None, points: int = 500) -> RunMetrics:
        self._double.asked_metrics.append((run_id, key))
        known = self.show(run_id).metrics
        names = sorted(known) if key is None else [key]
        curves = self._double.run_curves
        made: builtins.list[MetricCurve] = [
            curves.get(name) or self._double.curve_of(name, known[name]) for name in names
        ]
        return RunMetrics(run_id, len(known), tuple(made))

    def artifacts(self, run_id: str, path: str = "", uri: str | None = None) -> builtins.list[Artifact]:
        return [] if path else [Artifact("model", is_folder=True), Artifact("confusion.png", size_bytes=48_213)]

    def artifact(self, run_id: str, path: str, uri: str | None = None) -> ArtifactView:
        return ArtifactView(path, "text", 12, "lines\nof text")

    def download(self, run_id: str, path: str, folder: str, uri: str | None = None) -> Downloaded:
        self._double.downloaded.append((run_id, None, path, uri))
        return Downloaded(f"{folder}/{path}", 1, 48_213)

    def datasets(self, run_id: str, uri: str | None = None) -> builtins.list[DatasetInput]:
        return [DatasetInput("digits-train", "9f2c11aa", "training", "local", "/data/digits/train.parquet")]

    def overlay(self, run_ids: str, metric: str, uri: str | None = None, points: int = 1000,
                since: str = "") -> builtins.list[RunCurve]:  # fmt: skip
        self._double.asked_overlays.append((tuple(run_ids.split(",")), metric))
        known = [run_id for run_id in run_ids.split(",") if run_id in self._double.run_registry._runs]
        return list(self._mirror.curves(known, metric, points))

    def compare(self, run_ids: builtins.list[str], uri: str | None = None) -> builtins.list[ComparedValue]:
        runs = [self.show(run_id) for run_id in run_ids]
        found = []
        for group, part in (
            (ComparedGroup.METRICS, "metrics"),
            (ComparedGroup.PARAMS, "params"),
            (ComparedGroup.TAGS, "tags"),
        ):
            for key in sorted({key for run in runs for key in getattr(run, part)}):
                values = tuple(getattr(run, part).get(key) for run in runs)
                known = [one for one in values if isinstance(one, float) and math.isfinite(one)]
                best = (
                    values.index((min if "loss" in key else max)(known)) if known and key in {"auc", "loss"} else None
                )
                found.append(ComparedValue(group, key, values, len(set(map(repr, values))) > 1, best))
        return found

    def code(self, a: str, b: str, uri: str | None = None) -> CodeDifference:
        return CodeDifference(
            a, b, "--- train.py\n+++ train.py\n@@ -3,3 +3,3 @@\n import torch\n-lr = 0.1\n+lr = 0.004\n"
        )

    def importance(
        self, experiment: str, metric: str, uri: str | None = None, filter: str = ""
    ) -> builtins.list[Importance]:
        return [Importance("lr", 0.71, -0.62, 60), Importance("depth", 0.21, 0.35, 60), Importance("model", 0.08, None, 60),
                Importance("seed", None, None, 60)]  # fmt: skip

    def tag(self, run_id: str, key: str, value: str | None = None, uri: str | None = None,
            expected: str | None = None) -> Labels:  # fmt: skip
        old = self.show(run_id)
        tags = {name: text for name, text in old.tags.items() if name != key} | (
            {key: value} if value is not None else {}
        )
        self._put(replace(old, tags=tags))
        undo = Undo("runs.tag", {"run_id": run_id, "key": key, "value": old.tags.get(key)}, "mlops-desk runs tag")
        return Labels(run_id, None, None, tags, undo)

    def describe(self, run_id: str, text: str, uri: str | None = None, expected: str | None = None) -> Labels:
        return self.tag(run_id, "mlflow.note.content", text, uri)

    def delete(self, run_ids: builtins.list[str], uri: str | None = None) -> builtins.list[RunStage]:
        gone = [self._double.run_registry._runs.pop(run_id) for run_id in run_ids]
        self._double.deleted_runs.update({run.run_id: run for run in gone})
        self._tell()
        undo = Undo("runs.restore", {"run_ids": tuple(run_ids)}, "mlops-desk runs restore")
        return [RunStage(run.run_id, run.name, is_deleted=True, changed=True, undo=undo) for run in gone]

    def restore(self, run_ids: builtins.list[str], uri: str | None = None) -> builtins.list[RunStage]:
        for run_id in run_ids:
            self._double.run_registry._runs[run_id] = self._double.deleted_runs.pop(run_id)
        self._tell()
        return [RunStage(run_id, None, is_deleted=False, changed=True) for run_id in run_ids]

    def _put(self, run: Run) -> None:
        self._double.run_registry._runs[run.run_id] = run
        self._tell()

    def _tell(self) -> None:
        registry: Registry = self._double.tracking
        self._double.announce(events.RegistryChanged(registry))


def refusing(error: DeskError) -> Any:
    """Return what answers every window with an error."""

    def answer(_asked: WindowAsked) -> RunWindow:
        raise error

    return answer
